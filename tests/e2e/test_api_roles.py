"""Who may do what: every route times every role against a table written down here, and nobody sees another's."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import Mount, Route

from gateway.api.app import make_api, make_routes
from gateway.api.permissions import ALLOWED, Allow, Caller, Public, check_permissions, permission_of
from tests.fakes.api import ROLES, Api, api_over
from tests.fakes.front import NOW, FakeFront

ROOT = Path(__file__).parents[2]
ALL = "admin finops auditor lead member service"
TABLE = {
    "GET /me": ALL,
    "GET /models": ALL,
    "GET /spend": ALL,
    "GET /requests/{request_id}": ALL,
    "POST /keys": "admin",
    "GET /keys": "admin finops auditor lead",
    "GET /keys/{key_id}": "admin finops auditor lead",
    "POST /keys/{key_id}/revoke": "admin",
    "POST /teams": "admin finops",
    "GET /teams": "admin finops auditor lead",
    "GET /teams/{team_id}": "admin finops auditor lead",
    "POST /applications": "admin finops",
    "GET /applications": "admin finops auditor lead",
    "GET /applications/{application_id}": "admin finops auditor lead",
    "POST /people": "admin finops",
    "GET /people": "admin finops auditor",
    "POST /initiatives": "admin finops",
    "GET /initiatives": "admin finops auditor lead",
    "GET /initiatives/{initiative_id}": "admin finops auditor lead",
    "POST /initiatives/{initiative_id}/aliases": "admin finops",
    "POST /initiatives/{initiative_id}/close": "admin finops",
    "POST /initiatives/{initiative_id}/reopen": "admin finops",
    "GET /changes": "admin auditor",
    "GET /openapi.json": f"{ALL} nobody",
}
"""Every route, and who may use it. A new route belongs here before it exists."""

BODIES = {
    "POST /keys": {"team": "search"},
    "POST /teams": {"id": "new"},
    "POST /applications": {"id": "new"},
    "POST /people": {"person": "bob"},
    "POST /initiatives": {"id": "NEW-1"},
    "POST /initiatives/{initiative_id}/aliases": {"alias": "new-name"},
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with api_over(tmp_path) as made:
        yield made


def routes() -> dict[str, object]:
    return {
        f"{method} {route.path.removeprefix('/api/v1')}": route
        for route in make_routes().routes
        for method in route.methods
    }


def filled(api: Api, path: str) -> str:
    request_id = api.front.call(1, key_id=api.ids["member"], tags={"team": "search"})
    for name, value in (
        ("{key_id}", api.ids["other"] if path.endswith("/revoke") else api.ids["member"]),
        ("{team_id}", "search"),
        ("{application_id}", "shop"),
        ("{initiative_id}", "PROJ-1"),
        ("{request_id}", request_id),
    ):
        path = path.replace(name, value)
    return path


def test_T11_the_table_has_every_route_and_no_other() -> None:
    assert set(routes()) == set(TABLE)


@pytest.mark.parametrize("route", TABLE)
@pytest.mark.parametrize("who", [*ROLES, "nobody"])
async def test_T11_each_role_passes_where_the_table_lets_it_and_nowhere_else(api: Api, route: str, who: str) -> None:
    method, _, path = route.partition(" ")
    path = filled(api, path)
    if path.endswith("/reopen"):
        await api.post("admin", "/initiatives/PROJ-1/close")
    before = len(api.front.ledger.entries())
    more = {"json": BODIES[route]} if route in BODIES else {}
    answer = await api.ask(None if who == "nobody" else who, method, path, **more)
    if who in TABLE[route].split():
        another_keys = who == "service" and route == "GET /requests/{request_id}"
        assert answer.status_code in ({404} if another_keys else {200, 201})
        assert (len(api.front.ledger.entries()) > before) == (method == "POST")
    else:
        assert answer.status_code == (401 if who == "nobody" else 403)
        assert answer.json()["code"] == ("invalid_api_key" if who == "nobody" else "not_allowed")
        assert len(api.front.ledger.entries()) == before


@pytest.mark.parametrize("who", [*ROLES, None])
async def test_T11_a_caller_without_the_role_learns_nothing_from_a_bad_body(api: Api, who: str | None) -> None:
    answer = await api.post(who, "/keys", {"no": "such field"})
    assert answer.status_code == {"admin": 422, None: 401}.get(who, 403)


def test_T11_a_route_without_a_permission_stops_the_start() -> None:
    router = APIRouter()

    @router.get("/open")
    def opened() -> None:
        """Say nothing."""

    with pytest.raises(RuntimeError, match="/open declares 0 permissions"):
        check_permissions(router.routes)


def test_T11_a_route_with_two_permissions_stops_the_start() -> None:
    router = APIRouter()

    @router.get("/two")
    def two(_: Annotated[None, Depends(Public())], __: Annotated[Caller, Depends(Allow("keys:write"))]) -> None:
        """Say nothing."""

    with pytest.raises(RuntimeError, match="/two declares 2 permissions"):
        check_permissions(router.routes)


@pytest.mark.parametrize("route", [Route("/plain", lambda request: None), Mount("/files", FastAPI())])
def test_T11_what_is_no_route_of_the_api_stops_the_start(route: Route | Mount) -> None:
    with pytest.raises(RuntimeError, match="declares 0 permissions"):
        check_permissions([route])


def test_T11_a_permission_the_table_does_not_know_stops_the_start() -> None:
    with pytest.raises(KeyError):
        Allow("everything")
    with pytest.raises(AssertionError):
        Allow("public")


def test_T11_only_the_description_is_public() -> None:
    public = [name for name, route in routes().items() if permission_of(route) == "public"]
    assert public == ["GET /openapi.json"]
    assert "public" not in ALLOWED


def test_the_manual_says_of_every_route_who_may_use_it() -> None:
    told: dict[str, str] = {}
    for line in (ROOT / "docs" / "api.md").read_text().splitlines():
        cells = line.split("|")
        if len(cells) == 4:
            told |= dict.fromkeys(re.findall(r"(?:GET|POST) `/[^`]*`", cells[1]), cells[2].strip())
    words = {"all": ALL, "all, each within its share": ALL, "everybody, without a key": f"{ALL} nobody"}
    assert {name.replace("`", ""): words.get(who, who.replace(",", "")) for name, who in told.items()} == TABLE


def test_T28_no_route_of_the_api_lets_a_caller_change_anything() -> None:
    for name, roles in TABLE.items():
        if name.startswith("POST"):
            assert not {"lead", "member", "service", "auditor"} & set(roles.split())


@pytest.mark.parametrize(
    "path",
    ["/keys/{other}", "/teams/ads", "/applications/banner", "/initiatives/ADS-1", "/requests/{theirs}",
     "/requests/chatcmpl-7", "/spend?key_id={other}"],
)  # fmt: skip
@pytest.mark.parametrize("who", ["lead", "member", "service"])
async def test_T20_anothers_is_as_unknown_as_what_is_not_there(api: Api, who: str, path: str) -> None:
    theirs = api.front.call(7, key_id=api.ids["other"], tags={"team": "ads"})
    asked = path.format(other=api.ids["other"], theirs=theirs)
    nothing = path.format(other="key_nobody", theirs="req_" + "0" * 32)
    for name in ("ads", "banner", "ADS-1", "chatcmpl-7"):
        nothing = nothing.replace(name, "nothing")
    answer, missing = await api.ask(who, "GET", asked), await api.ask(who, "GET", nothing)
    assert answer.status_code == missing.status_code
    assert answer.status_code in {403, 404}
    assert {**answer.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    assert (await api.ask("admin", "GET", asked)).status_code == 200


async def test_T20_another_team_in_a_filter_is_unknown_to_a_lead_and_empty_to_its_members(api: Api) -> None:
    api.front.call(7, key_id=api.ids["other"], tags={"team": "ads"})
    for team in ("ads", "nothing"):
        answer = await api.get("lead", "/spend", team=team, until="2026-12-01")
        assert (answer.status_code, answer.json()["code"]) == (404, "team_unknown")
        for who in ("member", "service"):
            answer = await api.get(who, "/spend", team=team, until="2026-12-01")
            assert (answer.status_code, answer.json()["total"]["calls"]) == (200, 0)


async def test_T20_a_lead_lists_what_is_the_own_teams(api: Api) -> None:
    lists = {path: (await api.get("lead", path)).json()["items"] for path in ("/keys", "/teams", "/applications")}
    assert {one["name"] for one in lists["/keys"]} == {"lead", "member", "service"}
    assert [one["id"] for one in lists["/teams"]] == ["search"]
    assert [one["id"] for one in lists["/applications"]] == ["shop"]
    initiatives = (await api.get("lead", "/initiatives")).json()["items"]
    assert [one["id"] for one in initiatives] == ["OPEN-1", "PROJ-1"]


async def test_T20_a_service_and_a_member_see_their_own_calls_only(api: Api) -> None:
    own = api.front.call(1, key_id=api.ids["member"], tags={"team": "search"})
    team = api.front.call(2, key_id=api.ids["service"], tags={"team": "search"})
    assert (await api.get("member", f"/requests/{own}")).status_code == 200
    assert (await api.get("member", f"/requests/{team}")).status_code == 404
    assert (await api.get("service", f"/requests/{own}")).status_code == 404
    for request_id in (own, team):
        assert (await api.get("lead", f"/requests/{request_id}")).status_code == 200


async def test_T20_a_key_that_sees_nobodys_team_does_not_see_what_belongs_to_no_team(api: Api) -> None:
    principal, key = api.front.key("lead", application="shop")
    untagged = api.front.call(3, key_id="key_gone")
    headers = {"x-api-key": key}
    assert principal.team is None
    assert (await api.client.get(f"/api/v1/requests/{untagged}", headers=headers)).status_code == 404
    assert (await api.client.get("/api/v1/teams/search", headers=headers)).status_code == 200
    keys = (await api.client.get("/api/v1/keys", headers=headers)).json()["items"]
    assert api.ids["admin"] not in {one["key_id"] for one in keys}


async def test_whose_call_it_was_is_told_to_its_own_key_only(api: Api) -> None:
    tags = {"team": "search", "person": "per_" + "0" * 32}
    request_id = api.front.call(1, key_id=api.ids["member"], tags=tags, session_id="s-1")
    for who, told in (("member", True), ("lead", False), ("admin", False), ("auditor", False)):
        answer = (await api.get(who, f"/requests/{request_id}")).json()
        assert ("person" in {tag["name"] for tag in answer["tags"]}) is told
        assert (answer["session_id"] == "s-1") is told


async def test_the_house_is_read_anew_for_every_request(api: Api) -> None:
    front = FakeFront()
    _, key = front.key("admin")
    app = make_api(front, lambda: NOW)
    assert app.state.house is front
    front.team("late")
    api.client._transport.app = app
    answer = await api.client.get("/api/v1/teams", headers={"x-api-key": key})
    assert [one["id"] for one in answer.json()["items"]] == ["late"]
