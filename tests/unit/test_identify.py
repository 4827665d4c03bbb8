"""Who may pass with which credential, and what those who may not are told."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.identify import KEY_BYTES_MAX, authenticate, identify
from gateway.keys import CALLER_PREFIX, digest_of, new_key
from gateway.records import CALLER_ROLES, Principal, Role
from gateway.registry import Registry
from gateway.secret import Secret
from tests.fakes.front import BY, NOW, PEPPER, FakeFront

Headers = Sequence[tuple[bytes, bytes]]
ROLES: tuple[Role, ...] = ("admin", "finops", "auditor", "lead", "member", "service")


class CountingPepper(Secret):
    """Counts how often something is hashed."""

    __slots__ = ("uses",)

    def __init__(self) -> None:
        super().__init__(PEPPER.reveal())
        self.uses = 0

    def reveal(self) -> str:
        self.uses += 1
        return super().reveal()


def front_with(role: Role = "member", **changes: object) -> tuple[FakeFront, bytes]:
    front = FakeFront()
    front.team("search")
    _, key = front.key(role, team="search", **changes)
    return front, key.encode()


def refusal(front: FakeFront, headers: Headers, *, query: bytes = b"", pepper: Secret = PEPPER) -> str:
    with pytest.raises(Refused) as refused:
        authenticate(front.registry, headers, pepper, NOW, query)
    assert (refused.value.refusal.status, refused.value.refusal.code) == (401, "invalid_api_key")
    return refused.value.refusal.message


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", b"Bearer %s"),
        (b"authorization", b"bearer %s"),
        (b"authorization", b"  Bearer   %s "),
        (b"x-api-key", b"%s"),
        (b"x-api-key", b" %s "),
        (b"x-goog-api-key", b"%s"),
    ],
)
def test_a_key_passes_by_every_header_that_clients_send(header: tuple[bytes, bytes]) -> None:
    front, key = front_with()
    principal = identify(front.registry, [(header[0], header[1] % key)], PEPPER, NOW)
    assert (principal.team, principal.role) == ("search", "member")


def test_the_same_key_in_two_headers_is_one_key() -> None:
    front, key = front_with()
    headers = [(b"x-api-key", key), (b"authorization", b"Bearer " + key)]
    assert identify(front.registry, headers, PEPPER, NOW).team == "search"


def test_two_different_credentials_are_refused_whichever_comes_first() -> None:
    front, key = front_with()
    other = (b"authorization", b"Bearer sk-other")
    for headers in ([(b"x-api-key", key), other], [other, (b"x-api-key", key)]):
        assert "Two different credentials" in refusal(front, headers)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([], "No key came"),
        ([(b"x-api-key", b"")], "No key came"),
        ([(b"x-api-key", b"  ")], "No key came"),
        ([(b"authorization", b"")], "must read: Bearer"),
        ([(b"authorization", b"Basic dXNlcjpwYXNz")], "must read: Bearer"),
        ([(b"authorization", b"Bearer")], "No key came"),
        ([(b"x-api-key", b"sk-ant-api03-abc")], "not a Weighbridge key"),
        ([(b"x-api-key", b"wb_short")], "cut short"),
        ([(b"x-api-key", b"wb_" + b"x" * KEY_BYTES_MAX)], "not a Weighbridge key"),
        ([(b"x-api-key", new_key(CALLER_PREFIX).encode())], "not known here"),
        ([(b"x_api_key", b"wb_")], "No key came"),
        ([(b"x-forwarded-authorization", b"wb_")], "No key came"),
        ([(b"cookie", b"key=wb_")], "No key came"),
    ],
)
def test_each_way_of_having_no_good_key_has_its_own_sentence(headers: Headers, told: str) -> None:
    front, _ = front_with()
    assert told in refusal(front, headers)


def test_T17_a_key_in_the_address_is_refused_even_beside_a_good_one() -> None:
    front, key = front_with()
    for query in (b"key=" + key, b"alt=sse&key=" + key, b"key="):
        message = refusal(front, [(b"x-goog-api-key", key)], query=query)
        assert "x-goog-api-key" in message
        assert key.decode() not in message
    assert identify(front.registry, [(b"x-api-key", key)], PEPPER, NOW, b"monkey=1&alt=sse").team == "search"


@pytest.mark.parametrize("role", ROLES)
def test_T28_a_key_that_manages_cannot_call_models(role: Role) -> None:
    front, key = front_with(role)
    headers = [(b"x-api-key", key)]
    assert authenticate(front.registry, headers, PEPPER, NOW).role == role
    if role in CALLER_ROLES:
        assert identify(front.registry, headers, PEPPER, NOW).role == role
        return
    with pytest.raises(Refused) as refused:
        identify(front.registry, headers, PEPPER, NOW)
    assert (refused.value.refusal.status, refused.value.refusal.code) == (403, "admin_key_cannot_call")


def test_T76_a_revoked_key_is_refused_from_the_next_request_on() -> None:
    front, key = front_with()
    headers = [(b"x-api-key", key)]
    principal = identify(front.registry, headers, PEPPER, NOW)
    front.changes.revoke_key(principal.key_id, by=BY, now=NOW)
    assert "revoked" in refusal(front, headers)


def test_T76_another_process_refuses_a_revoked_key_after_one_look_at_the_book() -> None:
    front, key = front_with()
    elsewhere = Registry(PEPPER)
    elsewhere.refresh(front.ledger)
    headers = [(b"x-api-key", key)]
    principal = identify(elsewhere, headers, PEPPER, NOW)
    front.changes.revoke_key(principal.key_id, by=BY, now=NOW)
    assert identify(elsewhere, headers, PEPPER, NOW) == principal
    elsewhere.refresh(front.ledger)
    with pytest.raises(Refused, match="revoked"):
        identify(elsewhere, headers, PEPPER, NOW)


def test_a_key_works_up_to_its_last_instant() -> None:
    expires_at = NOW + timedelta(hours=1)
    front, key = front_with(expires_at=expires_at)
    headers = [(b"x-api-key", key)]
    assert identify(front.registry, headers, PEPPER, expires_at - timedelta(microseconds=1)).expires_at == expires_at
    with pytest.raises(Refused, match=r"expired on 2026-11-25 13:00 UTC"):
        identify(front.registry, headers, PEPPER, expires_at)


SQL = [
    b"' OR '1'='1",
    b"'; DROP TABLE entries; --",
    b'" OR ""="',
    b"1 UNION SELECT body FROM entries",
    b"wb_' OR digest IS NOT NULL --",
    b"\x00' OR 1=1 --",
    b"%27%20OR%201%3D1",
    b"$(id)",
    b"{{7*7}}",
]


@pytest.mark.parametrize("text", SQL)
@pytest.mark.parametrize("header", [b"authorization", b"x-api-key", b"x-goog-api-key"])
def test_T08_text_that_speaks_to_a_database_is_a_key_nobody_knows(text: bytes, header: bytes) -> None:
    front, _ = front_with()
    before = list(front.ledger.rows)
    value = b"Bearer " + text if header == b"authorization" else text
    message = refusal(front, [(header, value)])
    assert text.decode("latin-1") not in message
    assert front.ledger.rows == before


def test_T14_nothing_is_looked_up_but_the_hash_of_the_whole_key() -> None:
    front, key = front_with()
    asked: list[bytes] = []

    class Watched(dict[bytes, Principal]):
        def get(self, digest: bytes, default: Principal | None = None) -> Principal | None:
            asked.append(digest)
            return super().get(digest, default)

    front.registry.by_digest = Watched(front.registry.by_digest)
    unknown = new_key(CALLER_PREFIX).encode()
    identify(front.registry, [(b"x-api-key", key)], PEPPER, NOW)
    refusal(front, [(b"x-api-key", unknown)])
    assert asked == [digest_of(PEPPER, key), digest_of(PEPPER, unknown)]


def test_T75_a_flood_of_typos_costs_no_hash() -> None:
    front, key = front_with()
    pepper = CountingPepper()
    for wrong in (key[:-1], key[:-1] + b"x", b"sk-" + key, b"", b"wb_" * 100):
        refusal(front, [(b"x-api-key", wrong)], pepper=pepper)
    assert pepper.uses == 0
    identify(front.registry, [(b"x-api-key", key)], pepper, NOW)
    assert pepper.uses == 1


def test_T15_whoever_has_the_book_has_no_key() -> None:
    front, key = front_with()
    digest = digest_of(PEPPER, key)
    dump = b"".join(bytes(row.entry.body) + row.entry.id.encode() for row in front.ledger.rows)
    assert key not in dump
    assert key[:12] not in dump
    assert digest.hex().encode() in dump
    for stolen in (digest.hex().encode(), digest, b"wb_" + digest.hex().encode()[:43] + b"_" + key[-8:]):
        refusal(front, [(b"x-api-key", stolen)])


@given(st.integers(1, 53), st.data())
def test_T12_keys_that_share_a_long_beginning_never_share_an_identity(shared: int, data: st.DataObject) -> None:
    front, key = FRONT
    tail = data.draw(st.text("0123456789abcdefABCDEF_", min_size=len(key) - shared, max_size=len(key) - shared))
    other = key[:shared] + tail.encode()
    if other == key:
        return
    assert "revoked" not in refusal(front, [(b"x-api-key", other)])


@given(
    st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key", b"x-goog-api-key"]), st.binary()), max_size=4)
)
def test_T17_no_refusal_repeats_a_credential(headers: list[tuple[bytes, bytes]]) -> None:
    front, _ = FRONT
    message = refusal(front, headers)
    for _, value in headers:
        text = value.decode("latin-1").strip()
        assert len(text) < 8 or text not in message


def test_T17_a_principal_holds_nothing_that_opens_anything() -> None:
    front, key = front_with()
    shown = (
        repr(front.registry.keys) + repr(front.registry.__dict__) + msgspec.json.encode(front.registry.keys).decode()
    )
    assert key.decode() not in shown
    assert PEPPER.reveal() not in shown


FRONT = front_with()
