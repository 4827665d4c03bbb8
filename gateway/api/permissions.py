"""Who may do what: one table of permissions and roles, and the one way a route asks for a permission."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, get_args

from fastapi import Header, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.routing import BaseRoute

from gateway.api.front import Front
from gateway.changes import Changes
from gateway.errors import Refused
from gateway.identify import authenticate
from gateway.records import By, Principal, Role
from policies.refusal import Refusal

Permission = Literal[
    "public", "self:read", "calls:read", "spend:read", "keys:read", "keys:write", "registry:read", "registry:write",
    "people:read", "people:write", "changes:read",
]  # fmt: skip

ROLES: tuple[Role, ...] = get_args(Role)

ALLOWED: dict[Permission, tuple[Role, ...]] = {
    "self:read": ROLES,
    # Of these each role sees its share: see `Caller.sees_all` and `Caller.team`.
    "calls:read": ROLES,
    "spend:read": ROLES,
    "keys:read": ("admin", "finops", "auditor", "lead"),
    "keys:write": ("admin",),
    "registry:read": ("admin", "finops", "auditor", "lead"),
    "registry:write": ("admin", "finops"),
    "people:read": ("admin", "finops", "auditor"),
    "people:write": ("admin", "finops"),
    "changes:read": ("admin", "auditor"),
}
"""What is not listed is allowed to nobody; "public" asks for no key at all."""

SEE_ALL: frozenset[Role] = frozenset(("admin", "finops", "auditor"))

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Makes a repeated request give its first answer again instead of a second change.",
    ),
]

_BEARER = HTTPBearer(
    scheme_name="key", description="A Weighbridge key (wb_... or wba_...); x-api-key is read too.", auto_error=False
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, of which house, and when."""

    house: Front
    principal: Principal
    now: datetime
    request: bytes

    @property
    def sees_all(self) -> bool:
        """Say whether this role sees every team."""
        return self.principal.role in SEE_ALL

    @property
    def team(self) -> str | None:
        """Give the team the caller belongs to: the key's, or its application's."""
        application = self.house.registry.applications.get(self.principal.application or "")
        return self.principal.team or (application.team if application else None)

    def sees_team(self, team: str | None) -> bool:
        """Say whether what belongs to a team may be shown: one's own to a lead, any to those who see all."""
        return self.sees_all or (self.principal.role == "lead" and team is not None and team == self.team)

    @property
    def changes(self) -> Changes:
        """Give the maker of changes."""
        return Changes(self.house.ledger, self.house.registry, self.house.pepper, source="api")

    def by(self, idempotency_key: str | None) -> By:
        """Say who makes this change, and under which Idempotency-Key."""
        return self.changes.by(self.principal.key_id, idempotency_key=idempotency_key, request=self.request)


class Allow:
    """Lets pass whose key has the permission. Raises Refused: 401 without a good key, 403 for another role."""

    def __init__(self, permission: Permission) -> None:
        """Ask for this permission; one that the table does not know stops the start."""
        assert permission != "public"
        self.permission: Permission = permission
        self._roles = ALLOWED[permission]

    async def __call__(
        self, request: Request, _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
    ) -> Caller:
        """Give the caller."""
        house: Front = request.app.state.house
        now: datetime = request.app.state.now()
        scope = request.scope
        principal = authenticate(house.registry, scope["headers"], house.pepper, now, scope["query_string"])
        if principal.role not in self._roles:
            raise Refused(
                Refusal(
                    "not_allowed",
                    f"This key has the role {principal.role}; this needs {' or '.join(self._roles)}.",
                    403,
                )
            )
        asked = f"{scope['method']} {scope['path']}\n".encode() + request.state.body
        return Caller(house, principal, now, asked)


class Public:
    """Lets everybody pass: for what is no secret and changes nothing."""

    permission: Permission = "public"

    async def __call__(self) -> None:
        """Pass."""


def permission_of(route: BaseRoute) -> Permission:
    """Give the one permission a route declares; raises RuntimeError where there is none, or more than one."""
    asked: list[Callable[..., object] | None] = []
    if isinstance(route, APIRoute):
        asked = [one.call for one in route.dependant.dependencies if isinstance(one.call, Allow | Public)]
    if len(asked) != 1:
        raise RuntimeError(f"the route {getattr(route, 'path', route)} declares {len(asked)} permissions; it needs one")
    found = asked[0]
    assert isinstance(found, Allow | Public)
    return found.permission


def check_permissions(routes: Iterable[BaseRoute]) -> None:
    """Pass when each route declares its permission (T11); raises RuntimeError."""
    for route in routes:
        permission_of(route)


def not_found(what: str) -> Refused:
    """Give the same no for what is not there and for what is not the caller's to see (T20).

    What was asked for is not repeated: some paste a key where its id belongs.
    """
    return Refused(Refusal(f"{what}_unknown", f"There is no such {what} that this key can see.", 404))
