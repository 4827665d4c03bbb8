"""The management API as its callers meet it: what it makes, shows and refuses, and in what form."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.identify import authenticate
from tests.fakes.api import Api, api_over, problem
from tests.fakes.front import NOW, PEPPER


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with api_over(tmp_path) as made:
        yield made


async def test_a_key_is_given_out_shown_once_and_works(api: Api) -> None:
    answer = await api.post("admin", "/keys", {"team": "search", "name": "laptop", "models": ["small"]})
    assert answer.status_code == 201
    made = answer.json()
    assert made["key"].startswith("wb_")
    principal = authenticate(api.front.registry, [(b"x-api-key", made["key"].encode())], PEPPER, NOW)
    assert principal.key_id == made["key_id"]
    told = (await api.get("admin", f"/keys/{made['key_id']}")).json()
    assert told == {name: value for name, value in made.items() if name != "key"}
    assert told["created_at"] == "2026-11-25T12:00:00Z"
    assert made["key"] not in (await api.get("admin", "/keys", limit=500)).text


async def test_T76_a_key_revoked_over_the_api_is_refused_with_the_next_request(api: Api) -> None:
    key_id = api.ids["member"]
    assert (await api.get("member", "/me")).status_code == 200
    answer = await api.post("admin", f"/keys/{key_id}/revoke", {"reason": "lost"})
    assert (answer.status_code, answer.json()["revoked_at"]) == (200, "2026-11-25T12:00:00Z")
    problem(await api.get("member", "/me"), 401, "invalid_api_key")
    problem(await api.post("admin", f"/keys/{key_id}/revoke"), 409, "key_already_revoked")
    problem(await api.post("admin", "/keys/key_nobody/revoke"), 404, "key_unknown")


async def test_teams_applications_people_and_initiatives_are_made_and_told(api: Api) -> None:
    team = {"id": "new", "name": "New", "cost_centre": "c1", "parent": "search"}
    assert (await api.post("finops", "/teams", team)).json() == team
    assert (await api.get("finops", "/teams/new")).json() == team
    application = {"id": "app", "name": "", "team": "new", "tags": {"env": "run"}}
    made = (await api.post("finops", "/applications", application)).json()
    assert made == {**application, "tags": {"environment": "run"}}
    assert (await api.get("finops", "/applications/app")).json() == made
    person = (await api.post("finops", "/people", {"person": "ada@example.org", "team": "new"})).json()
    assert person["id"].startswith("per_")
    assert person in (await api.get("finops", "/people")).json()["items"]
    initiative = {"id": "NEW-1", "title": "t", "kind": "epic", "team": "new", "aliases": ["n1"]}
    made = (await api.post("finops", "/initiatives", initiative)).json()
    assert made["status"] == "open"
    assert {name: made[name] for name in initiative} == initiative
    for name in ("NEW-1", "n1", "new-1"):
        assert (await api.get("finops", f"/initiatives/{name}")).json() == made


async def test_an_initiative_gets_a_name_an_end_and_a_new_beginning(api: Api) -> None:
    named = await api.post("finops", "/initiatives/PROJ-1/aliases", {"alias": "LIN-9"})
    assert (named.status_code, named.json()["aliases"]) == (201, ["old-1", "LIN-9"])
    closed = await api.post("finops", "/initiatives/PROJ-1/close", {"closed_at": "2026-11-01T00:00:00+01:00"})
    assert (closed.json()["status"], closed.json()["closed_at"]) == ("closed", "2026-10-31T23:00:00Z")
    told = [one["id"] for one in (await api.get("finops", "/initiatives", status="closed")).json()["items"]]
    assert told == ["PROJ-1"]
    problem(await api.post("finops", "/initiatives/PROJ-1/close"), 409, "initiative_closed")
    assert (await api.post("finops", "/initiatives/PROJ-1/reopen")).json()["closed_at"] is None
    problem(await api.post("finops", "/initiatives/old-1/close"), 404, "initiative_unknown")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/keys", {"team": "nobody"}, 400, "team_unknown"),
        ("/keys", {}, 400, "team_required"),
        ("/keys", {"team": "search", "expires_at": "2020-01-01T00:00:00Z"}, 400, "expiry_past"),
        ("/keys", {"team": "search", "tags": {"epic": "NO-1"}}, 400, "initiative_unknown"),
        ("/teams", {"id": "search"}, 409, "team_taken"),
        ("/teams", {"id": "Bad Id"}, 400, "bad_id"),
        ("/initiatives", {"id": "old-1"}, 409, "name_taken"),
        ("/keys", {"team": "search", "admin": True}, 422, "bad_request"),
        ("/keys", {"team": "search", "role": "root"}, 422, "bad_request"),
        ("/keys", {"team": 7}, 422, "bad_request"),
        ("/keys", {"team": "search", "tags": {"epic": 7}}, 422, "bad_request"),
        ("/keys", {"team": "search", "expires_at": 1893456000}, 422, "bad_request"),
        ("/keys", {"team": "search", "expires_at": "2027-01-01T00:00:00"}, 422, "bad_request"),
        ("/keys", {"team": "search", "name": "x" * 129}, 422, "bad_request"),
        ("/keys", {"team": "search", "models": ["x"] * 65}, 422, "bad_request"),
        ("/keys", [], 422, "bad_request"),
        ("/teams", {"name": "no id"}, 422, "bad_request"),
        ("/people", {"person": ""}, 422, "bad_request"),
    ],
)
async def test_what_must_not_be_is_a_problem_with_a_code(
    api: Api, path: str, body: object, status: int, code: str
) -> None:
    before = api.front.ledger.entries()
    problem(await api.post("admin", path, body), status, code)
    assert api.front.ledger.entries() == before


async def test_T17_a_mistake_is_told_by_its_place_and_never_repeated(api: Api) -> None:
    answer = await api.post("admin", "/keys", {"team": "search", "wb_secret_field": "sk-canary", "name": 7})
    told = problem(answer, 422, "bad_request")
    assert "sk-canary" not in answer.text
    assert {one["where"] for one in told["errors"]} == {"body.wb_secret_field", "body.name"}


@pytest.mark.parametrize("credential", [None, "Bearer wb_typo", "Bearer sk-other", "Basic YTpi", "Bearer"])
async def test_without_a_good_key_there_is_nothing(api: Api, credential: str | None) -> None:
    headers = {"authorization": credential} if credential else {}
    answer = await api.client.get("/api/v1/keys", headers=headers)
    problem(answer, 401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_key_passes_as_x_api_key_and_never_in_the_address(api: Api) -> None:
    key = api.keys["admin"]
    assert (await api.client.get("/api/v1/keys", headers={"x-api-key": key})).status_code == 200
    answer = await api.client.get(f"/api/v1/keys?key={key}", headers={"x-api-key": key})
    problem(answer, 401, "invalid_api_key")
    assert key not in answer.text


async def test_T77_a_repeated_request_gets_its_first_answer_without_the_key(api: Api) -> None:
    body = {"team": "search", "name": "once"}
    first = await api.post("admin", "/keys", body, idempotency_key="i-1")
    again = await api.post("admin", "/keys", body, idempotency_key="i-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == {**first.json(), "key": None}
    assert first.json()["key"]
    other = await api.post("admin", "/keys", {**body, "name": "twice"}, idempotency_key="i-1")
    problem(other, 409, "idempotency_key_reused")
    problem(await api.post("admin", "/teams", {"id": "t"}, idempotency_key="i-1"), 409, "idempotency_key_reused")


async def test_T77_another_keys_idempotency_key_is_another_one(api: Api) -> None:
    one = await api.post("admin", "/teams", {"id": "one"}, idempotency_key="i-1")
    two = await api.post("finops", "/teams", {"id": "two"}, idempotency_key="i-1")
    assert (one.json()["id"], two.json()["id"]) == ("one", "two")


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "a b"])
async def test_an_idempotency_key_is_short_and_visible(api: Api, key: str) -> None:
    headers = {"idempotency-key": key.encode("latin-1")}
    answer = await api.ask("admin", "POST", "/teams", json={"id": "new"}, headers=headers)
    problem(answer, 422, "bad_request")


async def test_a_list_comes_in_pages_that_lose_and_repeat_nothing(api: Api) -> None:
    for number in range(7):
        api.front.team(f"t{number}")
    told: list[str] = []
    cursor: str | None = None
    pages = 0
    while pages == 0 or cursor:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        answer = (await api.get("admin", "/teams", **params)).json()
        told += [one["id"] for one in answer["items"]]
        cursor = answer["next_cursor"]
        pages += 1
    assert told == ["ads", "search", *(f"t{number}" for number in range(7))]
    assert pages == 3
    whole = (await api.get("admin", "/teams", limit=9)).json()
    assert ([one["id"] for one in whole["items"]], whole["next_cursor"]) == (told, None)


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 501}, {"limit": "x"}, {"cursor": "x" * 129}, {"page": 2}])
async def test_a_page_has_limits_and_takes_no_unknown_words(api: Api, params: dict[str, object]) -> None:
    problem(await api.get("admin", "/teams", **params), 422, "bad_request")


async def test_me_says_what_this_key_is(api: Api) -> None:
    told = (await api.get("member", "/me")).json()
    assert (told["key_id"], told["role"], told["team"]) == (api.ids["member"], "member", "search")
    assert told["permissions"] == ["calls:read", "self:read", "spend:read"]
    assert told["last4"] == api.keys["member"][-4:]


async def test_me_knows_the_team_of_its_application_and_its_own_pseudonym(api: Api) -> None:
    principal, key = api.front.key("service", application="shop", person="ada@example.org")
    told = (await api.client.get("/api/v1/me", headers={"x-api-key": key})).json()
    assert (told["team"], told["person"]) == ("search", principal.person)


async def test_models_are_listed_with_where_they_go_and_whether_their_price_is_known(api: Api) -> None:
    told = (await api.get("member", "/models")).json()
    small = {"provider_name": "echo", "model": "small-1", "price_version": "echo/small-1@1"}
    large = {"provider_name": "echo", "model": "large-1", "price_version": None}
    assert told["models"] == [
        {"name": "small", "aliases": ["tiny"], "targets": [small]},
        {"name": "large", "aliases": [], "targets": [large]},
    ]
    assert told["providers"] == [{"name": "echo", "dialects": ["openai"], "models": ["*"]}]
    _, key = api.front.key("member", team="search", models=("la*",))
    bound = (await api.client.get("/api/v1/models", headers={"x-api-key": key})).json()
    assert [one["name"] for one in bound["models"]] == ["large"]


async def test_the_trail_says_who_changed_what_in_the_books_order(api: Api) -> None:
    start = (await api.get("auditor", "/changes", limit=500)).json()
    assert start["next_cursor"] is None
    await api.post("finops", "/teams", {"id": "new", "cost_centre": "c9"}, idempotency_key="i-1")
    await api.post("admin", f"/keys/{api.ids['other']}/revoke", {"reason": "left"})
    told = (await api.get("auditor", "/changes", limit=500)).json()["items"][len(start["items"]) :]
    assert [(one["kind"], one["op"], one["id"], one["actor"], one["set"]) for one in told] == [
        ("team", "created", "new", api.ids["finops"], {"cost_centre": "c9"}),
        ("key", "revoked", api.ids["other"], api.ids["admin"], {"reason": "left"}),
    ]
    assert [one["source"] for one in told] == ["api", "api"]
    first = (await api.get("auditor", "/changes", limit=2)).json()
    second = (await api.get("auditor", "/changes", limit=2, cursor=first["next_cursor"])).json()
    assert [*first["items"], *second["items"]] == start["items"][:4]
    problem(await api.get("auditor", "/changes", cursor="abc"), 400, "bad_cursor")
    problem(await api.get("auditor", "/changes", cursor="9" * 30), 400, "bad_cursor")


async def test_T17_no_answer_and_no_log_line_holds_a_secret(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = (await api.post("admin", "/keys", {"team": "search", "person": "canary-person@example.org"})).json()
    digests = [one["digest"] for one in (row.entry.fields() for row in api.front.ledger.entries()) if "digest" in one]
    secrets = [made["key"], *api.keys.values(), *digests, PEPPER.reveal(), "sk-provider-canary-0001", "canary-person"]
    request_id = api.front.call(1, key_id=api.ids["member"], tags={"team": "search"})
    answers = []
    for path in ("/keys", "/teams", "/applications", "/people", "/initiatives", "/changes", "/me", "/models", "/spend",
                 f"/keys/{made['key_id']}", f"/requests/{request_id}", "/openapi.json", "/nothing"):  # fmt: skip
        answers.append(await api.get("admin", path))
    for key in (made["key"], api.keys["admin"] + "x", "sk-provider-canary-0001"):
        answers.append(await api.post("admin", "/keys", {"team": key}))
        answers.append(await api.post("admin", f"/keys/{key}/revoke"))
        answers.append(await api.client.get(f"/api/v1/keys/{key}", headers={"x-api-key": api.keys["admin"]}))
        answers.append(await api.client.get("/api/v1/me", headers={"x-api-key": key, "authorization": "Bearer " + key}))
    assert len(digests) == 8
    for secret in secrets:
        for answer in answers:
            assert secret not in answer.text + str(answer.headers)
        assert secret not in "".join(f"{one.__dict__}" for one in caplog.records if one.name != "httpx")
