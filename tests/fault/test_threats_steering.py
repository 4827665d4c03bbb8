"""What a client writes never decides where its request goes, with whose key, at what price or in whose name."""

import json
import random
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway import clock
from gateway.providers.forbidden import FORBIDDEN
from tests.e2e.running import Reply, RunningGateway, until
from tests.fakes.mock import MODELS, chat
from tests.fakes.upstream import Received
from tests.fault.raw import exchange, request
from tests.fault.scripted import GOOD, ScriptedProvider
from tests.fault.steering_words import (
    ALLOWED_ON,
    API,
    BODIES,
    CLIMBS,
    ELSEWHERE,
    FREE,
    GEMINI,
    HOSTS,
    KINDS,
    METERED,
    NAMES,
    PROVIDER_KEY,
    SCRIPTS,
    SQL,
    STEERING_HEADERS,
    body_for,
    first_wins,
)


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider(SCRIPTS) as scripted:
        yield scripted


@pytest.fixture(scope="module")
def attacker() -> Iterator[ScriptedProvider]:
    """Where requests are meant to be led; nothing ever arrives."""
    with ScriptedProvider() as scripted:
        yield scripted
        assert scripted.connections == 0


@pytest.fixture(scope="module")
def gateway(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    toml = "\n".join(
        f'[providers.{name}]\nbase_url = "http://127.0.0.1:{provider.port}"\ndialects = ["{name}"]\n'
        f'private_network = true\napi_key = "${{PROVIDER_KEY}}"\n'
        for name in ("openai", "anthropic", "gemini")
    )
    folder = tmp_path_factory.mktemp("steering")
    running = RunningGateway(
        folder, toml, environment={"PROVIDER_KEY": PROVIDER_KEY}, module="tests.fault.serve_with"
    ).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key(team="steering")


@pytest.fixture(scope="module")
def admin(gateway: RunningGateway) -> str:
    made = gateway.key(role="admin", name="steering")
    until(lambda: gateway.get("/api/v1/me", {"authorization": f"Bearer {made}"}).status == 200, "the key is known")
    return made


@pytest.fixture
def fresh(provider: ScriptedProvider) -> Callable[[], list[Received]]:
    """Give what says which requests have reached the provider since the test began."""
    before = len(provider.requests)
    return lambda: list(provider.requests[before:])


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_T01_T31_a_field_that_steers_a_gateway_is_refused_in_the_body_and_means_nothing_elsewhere(
    gateway: RunningGateway, key: str, attacker: ScriptedProvider, fresh: Callable[[], list[Received]], name: str
) -> None:
    value = f"http://127.0.0.1:{attacker.port}/v1"
    assert gateway.post("/v1/chat/completions", chat("hi") | {name: value}, key).status == 400
    query = urllib.parse.quote(value, safe="")
    header = {} if name in {"host", "authorization", "x_api_key"} else {name.replace("_", "-"): value}
    answer = gateway.post(f"/v1/chat/completions?{name}={query}", chat("hi"), key, header)
    if name in {"api_key"}:
        assert answer.status in {200, 401}
    else:
        assert (answer.status, answer.body) == (200, GOOD)
    assert [received.target for received in fresh()] == ["/v1/chat/completions"][: answer.status == 200]
    assert all(value.encode() not in line for received in fresh() for line in received.headers for line in line)


def test_T02_T24_there_is_something_to_enumerate() -> None:
    assert len(METERED) == 24
    assert ("POST", "/api/v1/keys") in API
    assert len(API) > 15


@pytest.mark.parametrize("path", METERED)
def test_T02_no_metered_route_can_be_led_elsewhere(
    gateway: RunningGateway, key: str, attacker: ScriptedProvider, provider: ScriptedProvider, path: str,
    fresh: Callable[[], list[Received]],
) -> None:  # fmt: skip
    place = f"http://127.0.0.1:{attacker.port}"
    headers = dict.fromkeys(STEERING_HEADERS, place)
    answer = gateway.post(f"{path}?url={place}&api_base={place}&target={place}", body_for(path), key, headers)
    assert answer.status == 200, answer.body
    (received,) = fresh()
    assert received.header(b"host") == f"127.0.0.1:{provider.port}".encode()
    assert place.encode() not in repr((received.target, received.headers, received.body)).encode()
    secret = received.header(b"authorization") or received.header(b"x-api-key") or received.header(b"x-goog-api-key")
    assert secret is not None
    assert secret.endswith(PROVIDER_KEY.encode())


@pytest.mark.parametrize(("method", "path"), [*API, *FREE])
def test_T02_no_other_route_makes_a_connection(
    gateway: RunningGateway, admin: str, attacker: ScriptedProvider, method: str, path: str,
    fresh: Callable[[], list[Received]],
) -> None:  # fmt: skip
    place = f"http://127.0.0.1:{attacker.port}"
    headers = dict.fromkeys(STEERING_HEADERS, place) | {"authorization": f"Bearer {admin}"}
    body = json.dumps({"url": place, "api_base": place, "webhook": place, "name": place, "id": place}).encode()
    headers |= {"content-type": "application/json"} if method == "POST" else {}
    where = path.replace("{", "").replace("}", "")
    answer = gateway.send(method, f"{where}?url={place}", body if method == "POST" else None, headers)
    assert answer.status in {200, 400, 403, 404, 409, 422}, answer.body
    assert fresh() == []


@pytest.mark.parametrize("name", NAMES)
def test_T06_a_model_in_an_address_is_one_segment_of_the_providers_address_or_refused(
    gateway: RunningGateway, key: str, fresh: Callable[[], list[Received]], name: str
) -> None:
    target = f"/v1beta/models/{name}:generateContent".encode()
    heard = exchange(gateway.port, request(target, json.dumps(body_for(":")).encode(), key, b"Connection: close"))
    assert set(heard.statuses) <= {200, 400, 404}
    for received in fresh():
        path = received.target.removeprefix("/v1beta/models/").removesuffix(":generateContent")
        assert received.target == f"/v1beta/models/{path}:generateContent"
        assert not set(path) & set("/?#@\\ :")
        assert ".." not in path


@pytest.mark.parametrize("text", SQL)
def test_T08_text_that_speaks_to_a_database_opens_nothing(gateway: RunningGateway, key: str, text: str) -> None:
    for name in ("authorization", "x-api-key", "x-goog-api-key"):
        value = f"Bearer {text}" if name == "authorization" else text
        answer = gateway.send(
            "POST", "/v1/chat/completions", b"{}", {name: value, "content-type": "application/json"}
        )  # fmt: skip
        assert answer.status == 401
    tagged = gateway.post("/v1/chat/completions", chat("hi"), key, {"x-ai-tags": f'workflow="{text[:20]}"'})
    assert tagged.status in {200, 400}
    asked = gateway.get("/api/v1/requests/" + urllib.parse.quote(text, safe=""), {"authorization": f"Bearer {key}"})
    assert asked.status in {404, 422}
    with gateway.ledger() as book:
        assert book.verify().intact


@pytest.mark.parametrize(("method", "path"), API)
def test_T09_no_route_of_the_api_goes_by_what_a_host_header_says(
    gateway: RunningGateway, admin: str, method: str, path: str
) -> None:
    body = b"" if method == "GET" else b"{}"
    where = path.replace("{", "").replace("}", "").encode()
    for host in HOSTS:
        plain = request(where, body, admin, b"Connection: close", method=method.encode())
        raw = plain.replace(b"Host: gateway", b"Host: " + host)
        assert set(exchange(gateway.port, raw).statuses) <= {400}, host
    twice = request(where, body, admin, b"Host: gateway", b"Connection: close", method=method.encode())
    assert set(exchange(gateway.port, twice).statuses) <= {400}


@pytest.mark.parametrize("path", ELSEWHERE)
def test_T24_a_route_that_is_not_metered_does_not_exist(
    gateway: RunningGateway, key: str, fresh: Callable[[], list[Received]], path: str
) -> None:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    body = json.dumps(chat("hi") | {"prompt": "x", "input": "x"}).encode()
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert gateway.send(method, path, body, headers).status in {404, 405}
    assert fresh() == []


@pytest.mark.parametrize("path", METERED)
def test_T24_a_metered_route_asks_for_a_key_and_books_each_call(
    gateway: RunningGateway, key: str, fresh: Callable[[], list[Received]], path: str
) -> None:
    body = json.dumps(body_for(path)).encode()
    assert gateway.send("POST", path, body, {"content-type": "application/json"}).status == 401
    for method in ("PUT", "PATCH", "DELETE", "QUERY"):
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        assert gateway.send(method, path, body, headers).status in {400, 404, 405}
    assert fresh() == []
    answer = gateway.post(path, body_for(path), key)
    assert answer.status == 200
    assert gateway.call(answer.headers["x-request-id"]).state in {"settled", "estimated"}
    assert len(fresh()) == 1


@pytest.mark.parametrize("raw", BODIES)
def test_T36_T37_every_parser_reads_the_model_that_policy_read_or_gets_nothing(
    gateway: RunningGateway, key: str, fresh: Callable[[], list[Received]], raw: bytes
) -> None:
    body = raw.replace(b"MODEL", MODELS["chat"].encode())
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    answer = gateway.send("POST", "/v1/chat/completions", body, headers)
    if answer.status != 200:
        assert answer.status == 400
        assert fresh() == []
        return
    (received,) = fresh()
    assert json.loads(received.body)["model"] == MODELS["chat"]
    assert json.loads(received.body, object_pairs_hook=first_wins)["model"] == MODELS["chat"]
    assert gateway.call(answer.headers["x-request-id"]).request_model == MODELS["chat"]


@pytest.mark.parametrize("kind", KINDS)
def test_T39_a_body_that_policy_cannot_read_goes_nowhere(
    gateway: RunningGateway, key: str, fresh: Callable[[], list[Received]], kind: str
) -> None:
    for path in ("/v1/chat/completions", "/v1/messages", GEMINI[0]):
        headers = {"content-type": kind, "authorization": f"Bearer {key}"}
        assert gateway.send("POST", path, json.dumps(body_for(path)).encode(), headers).status == 415
    assert fresh() == []


def test_T40_the_model_comes_from_one_place(
    gateway: RunningGateway, key: str, fresh: Callable[[], list[Received]]
) -> None:
    headers = {"x-model": "dear", "openai-model": "dear", "x-goog-model": "dear"}
    assert gateway.post("/v1/chat/completions?model=dear&deployment=dear", chat("hi"), key, headers).status == 200
    (received,) = fresh()
    assert b"dear" not in received.body + received.target.encode() + repr(received.headers).encode()
    conflicting = body_for(":") | {"model": "models/dear"}
    assert gateway.post(GEMINI[0], conflicting, key).status == 400
    assert len(fresh()) == 1


def test_T43_a_header_named_in_connection_is_for_us_alone_and_policy_does_not_read_it(
    gateway: RunningGateway, key: str
) -> None:
    body = json.dumps(chat("hi")).encode()
    tag = b'X-AI-Tags: epic="PROJ-9"'
    for names, status in ((b"x-ai-tags", 200), (b"close, X-AI-Tags", 200), (b"authorization", 401)):
        raw = request(b"/v1/chat/completions", body, key, tag, b"Connection: " + names)
        heard = exchange(gateway.port, raw)
        assert heard.statuses == [status]
        assert b"PROJ-9" not in heard.data
    assert b"PROJ-9" in exchange(gateway.port, request(b"/v1/chat/completions", body, key, tag)).data


def test_T44_T46_only_listed_headers_travel_on_and_none_says_who_somebody_is(
    gateway: RunningGateway, key: str, fresh: Callable[[], list[Received]]
) -> None:
    sent = {
        "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-Real-IP": "1.2.3.4", "Forwarded": "for=1.2.3.4",
        "X-Weighbridge-Team": "other", "X_Weighbridge_Team": "other", "X_AI_Tags": "team=other", "X-Gw-Team": "other",
        "OpenAI-Organization": "org", "OpenAI-Project": "proj", "Cookie": "a=b", "Proxy-Authorization": "Basic x",
        "X-AI-Tags": "env=test", "Baggage": "team=other", "X-Goog-User-Project": "p", "X-Goog-Api-Key": key,
        "X-Api-Key": key, "Anthropic-Beta": "b1", "Anthropic-Version": "2023-06-01", "X-Stainless-Lang": "python",
        "OpenAI-Beta": "v2", "X-Amz-Security-Token": "t", "Azure-Token": "t", "Api-Key": "k", "Range": "bytes=0-1",
        "If-Match": "x", "X-HTTP-Method-Override": "DELETE", "Traceparent": "00-1-1-01", "Accept": "application/json",
        "User-Agent": "x", "Helicone-Auth": "t", "X-Portkey-Api-Key": "t", "Remote-User": "root", "X-Person": "root",
    }  # fmt: skip
    answer = gateway.post("/v1/chat/completions", chat("hi"), key, sent)
    assert answer.status == 200
    (received,) = fresh()
    names = [name.decode() for name, _ in received.headers]
    assert set(names) <= ALLOWED_ON
    assert len(names) == len(set(names))
    assert received.header(b"authorization") == f"Bearer {PROVIDER_KEY}".encode()
    assert key.encode() not in repr(received.headers).encode()
    tags = gateway.call(answer.headers["x-request-id"]).tags
    assert tags["team"] == "steering"
    assert "other" not in tags.values()


def test_T45_no_tag_can_write_a_header_of_its_own(
    gateway: RunningGateway, key: str, fresh: Callable[[], list[Received]]
) -> None:
    """10,000 values against the reader alone are in tests/property; here what a socket can carry goes all the way."""
    chance, body = random.Random(45), json.dumps(chat("hi")).encode()
    alphabet = [bytes([code]) for code in range(0x20, 0x7F)] + [b"\t", b"\xe2\x80\xa8", b"\xc2\x85", b"\xff", b"%0d%0a"]
    requests = []
    for number in range(200):
        value = b"".join(chance.choices(alphabet, k=chance.randint(1, 60)))
        header = (b"X-AI-Tags: epic=", b"X-LiteLLM-Tags: ", b"Baggage: initiative=")[number % 3] + value
        requests.append(request(b"/v1/chat/completions", body, key, header))
    for raw in requests:
        heard = exchange(gateway.port, raw.replace(b"Host:", b"Connection: close\r\nHost:"))
        assert len(heard.statuses) == 1
        head = heard.data.partition(b"\r\n\r\n")[0]
        lines = head.split(b"\r\n")[1:]
        assert all(line.partition(b": ")[0].replace(b"-", b"").isalnum() for line in lines)
        assert head.isascii()
    assert all(b"epic" not in repr(received.headers).encode() for received in fresh())


def test_T53_only_listed_headers_of_a_provider_reach_a_client(gateway: RunningGateway, key: str) -> None:
    answer = gateway.post("/v1/chat/completions", chat("script:meddle"), key)
    assert answer.status == 200
    ours = {"content-length", "x-request-id", "request-id", "server-timing", "x-weighbridge-cost",
            "x-weighbridge-cost-source", "x-weighbridge-currency"}  # fmt: skip
    theirs = {"content-type", "x-ratelimit-remaining-tokens", "openai-version"}
    assert answer.headers.keys() - {"connection"} == ours | theirs
    assert answer.headers.get("connection") in {None, "close"}
    assert answer.headers["x-weighbridge-cost"] == "0.0000045"
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("shape", CLIMBS)
def test_T66_a_path_that_could_lead_elsewhere_leads_nowhere(
    gateway: RunningGateway, key: str, admin: str, shape: str, fresh: Callable[[], list[Received]]
) -> None:
    for path in ("/v1/chat/completions", "/v1/messages", GEMINI[0]):
        target = shape.format(path[1:]).encode()
        raw = request(target, json.dumps(body_for(path)).encode(), key, b"Connection: close")
        assert set(exchange(gateway.port, raw).statuses) <= {400, 404, 405}, target
    for method, path in API:
        target = shape.format(path[1:].replace("{", "").replace("}", "")).encode()
        raw = request(target, b"", admin, b"Connection: close", method=method.encode())
        assert set(exchange(gateway.port, raw).statuses) <= {400, 404, 405, 422}, target
    assert fresh() == []


def test_T82_a_client_cannot_say_when_its_call_was(gateway: RunningGateway, key: str) -> None:
    began = clock.now()
    past = "Tue, 01 Jan 2019 00:00:00 GMT"
    body = chat("hi", timestamp=1546300800, created=1546300800, occurred_at="2019-01-01T00:00:00Z",
                metadata={"timestamp": "2019-01-01", "occurred_at": "2019-01-01"})  # fmt: skip
    answer = gateway.post("/v1/chat/completions", body, key, {"date": past, "x-timestamp": past, "x-date": past})
    assert answer.status == 200
    gateway.call(answer.headers["x-request-id"])
    with gateway.ledger() as book:
        (entry,) = [placed.entry for placed in book.find(answer.headers["x-request-id"])]
    assert began <= entry.occurred_at <= entry.recorded_at <= clock.now()


def test_T21_answers_and_rows_of_two_teams_are_never_exchanged(
    gateway: RunningGateway, fresh: Callable[[], list[Received]]
) -> None:
    keys = {team: gateway.key(team=team) for team in ("red", "blue")}

    def call(number: int) -> tuple[str, str, Reply]:
        team = ("red", "blue")[number % 2]
        return team, f"{team}-{number}", gateway.post(
            "/v1/chat/completions", chat(f"script:echo {team}-{number}."), keys[team]
        )  # fmt: skip

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(call, range(120)))
    for team, name, answer in told:
        assert f"{name}." in answer.json()["choices"][0]["message"]["content"]
        assert gateway.call(answer.headers["x-request-id"]).tags["team"] == team
    assert {received.header(b"authorization") for received in fresh()} == {f"Bearer {PROVIDER_KEY}".encode()}
