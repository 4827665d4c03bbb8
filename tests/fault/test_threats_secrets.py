"""What is secret stays out of every place that keeps or shows something, and nobody's words become another's line."""

import json
import random
import re
import unicodedata
from collections.abc import Iterator

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gateway.ledger.entry import Call
from gateway.record import SERIES_MAX, Recorder
from tests.e2e.running import RunningGateway, until
from tests.fakes.metering import DONE, said, used
from tests.fakes.mock import MODELS, chat
from tests.fakes.upstream import Received, Wire, chunked, reply
from tests.fault.raw import exchange, request
from tests.fault.scripted import EVENTS, GOOD, JSON, USED, Act, ScriptedProvider, resetting, sending

PROVIDER_KEY = "sk-canary-provider-key-3141592653589793"
PROVIDER_HEADER = "canary-header-of-a-provider-2718281828"
PROMPT = "canary prompt: the merger is on Friday"
ANSWER = "canary answer: sell before Thursday"
FORGERY = '\n{"event":"call_settled","request_id":"forged"}\n'
NASTY = "a\u202ebidi\u2028line\x9b31mred\x1b[31m" + FORGERY


def about(text: str) -> bytes:
    return GOOD.replace(b'"fine"', json.dumps(text).encode())


async def leaking(wire: Wire, received: Received) -> None:
    """Refuse as a provider does that repeats the key it was sent."""
    secret = received.header(b"authorization") or b""
    await wire.send(reply(401, b'{"error":{"message":"Incorrect API key provided: ' + secret + b'"}}', JSON))


SCRIPTS: dict[str, Act] = {
    "answer": sending(reply(200, about(ANSWER), JSON)),
    "stream": sending(chunked([said(ANSWER), said("", "stop"), used(USED), DONE], EVENTS)),
    "leak": leaking,
    "refuse": sending(reply(400, json.dumps({"error": {"message": f"cannot read: {PROMPT}"}}).encode(), JSON)),
    "cut": resetting(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + said(ANSWER)),
    "reset": resetting(),
    "not_http": sending(b"HTTP/1.1 " + ANSWER.encode() + b"\r\n\r\n", close=True),
    "page": sending(reply(200, ANSWER.encode(), ("content-type", "text/html"))),
    "broken": sending(reply(200, b'{"choices":[{"message":{"content":"' + ANSWER.encode(), JSON)),
    "nasty": sending(
        reply(200, json.dumps({"id": NASTY, "model": NASTY, "service_tier": NASTY, "usage": USED,
                               "choices": [{"message": {"content": NASTY}}]}).encode(), JSON)
    ),
    "long": sending(
        reply(200, json.dumps({"id": "i" * 10**6, "model": "m" * 10**6, "service_tier": "t" * 10**6,
                               "usage": USED, "choices": []}).encode(), JSON)
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider(SCRIPTS) as scripted:
        yield scripted


@pytest.fixture(scope="module")
def gateway(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    toml = "\n".join(
        f'[providers.{name}]\nbase_url = "http://127.0.0.1:{provider.port}"\ndialects = ["{name}"]\nretries = 0\n'
        f'private_network = true\napi_key = "${{PROVIDER_KEY}}"\nheaders = {{ "x-own" = "${{PROVIDER_HEADER}}" }}\n'
        for name in ("openai", "anthropic", "gemini")
    )
    environment = {"PROVIDER_KEY": PROVIDER_KEY, "PROVIDER_HEADER": PROVIDER_HEADER}
    running = RunningGateway(tmp_path_factory.mktemp("secrets"), toml, environment=environment).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key(team="secrets")


def kept(gateway: RunningGateway) -> dict[str, bytes]:
    """Give every file of the gateway's but its configuration, and the pages that show something to a stranger."""
    files = {str(path): path.read_bytes() for path in gateway.folder.rglob("*") if path.is_file()}
    del files[str(gateway.config)]
    return files | {"/metrics": gateway.get("/metrics").body, "/readyz": gateway.get("/readyz").body}


def every_way(gateway: RunningGateway, key: str) -> list[bytes]:
    """Make calls that end in every way there is; gives all that a client was told."""
    told = []
    for script in SCRIPTS:
        for streamed in (False, True):
            body = chat(f"{PROMPT} script:{script}", stream=streamed)
            told.append(gateway.post("/v1/chat/completions", body, key).body)
    body = {"model": MODELS["messages"], "max_tokens": 5, "messages": [{"role": "user", "content": PROMPT}]}
    told.append(gateway.post("/v1/messages", body, key).body)
    content = {"contents": [{"parts": [{"text": PROMPT}]}]}
    told.append(gateway.post(f"/v1beta/models/{MODELS['gemini']}:generateContent", content, key).body)
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    for body in (b'{"model":"' + PROMPT.encode(), b'{"a":1,"a":"' + PROMPT.encode() + b'"}', PROMPT.encode()):
        told.append(gateway.send("POST", "/v1/chat/completions", body, headers).body)
    bad = {"content-type": "application/json"}
    for header in ("authorization", "x-api-key", "x-goog-api-key"):
        told.append(gateway.send("POST", "/v1/messages", b"{}", bad | {header: f"Bearer {key}x"}).body)
    told.append(gateway.send("GET", f"/v1/models?key={key}", None).body)
    told.append(gateway.send("POST", f"/v1/chat/completions?key={key}&x={key}", b"{}", headers).body)
    told.append(gateway.send("GET", f"/{key}", None, {"authorization": f"Bearer {key}"}).body)
    told.append(exchange(gateway.port, b"GET /" + key.encode() + b" HTTP/9\r\nX: " + key.encode() + b"\r\n\r\n").data)
    told.append(gateway.get("/api/v1/me", {"authorization": f"Bearer {key}"}).body)
    return told


def test_T17_T18_T19_secrets_and_what_people_write_are_kept_and_shown_nowhere(
    gateway: RunningGateway, key: str
) -> None:
    told = every_way(gateway, key)
    gateway.calls(2 * len(SCRIPTS) + 2)
    config = gateway.config.read_text()
    gateway.config.write_text(config + f'\n[providers.bad]\nbase_url = "http://{PROVIDER_KEY}@x"\n')
    until(lambda: "config_reload_failed" in gateway.said(), "the reload is refused")
    gateway.config.write_text(config)
    for secret in (PROVIDER_KEY, PROVIDER_HEADER, key.partition("_")[2][:20]):
        assert not [number for number, text in enumerate(told) if secret.encode() in text], secret
    everywhere = kept(gateway)
    assert len(everywhere) > 5
    for secret in (PROVIDER_KEY, PROVIDER_HEADER, PROMPT, PROMPT[:20], ANSWER, "merger", "Thursday", key):
        assert not [place for place, data in everywhere.items() if secret.encode() in data], secret
    assert any(b"call_settled" in data for data in everywhere.values())


def test_T56_whatever_a_client_or_a_provider_writes_a_log_line_is_one_object_of_printable_text(
    gateway: RunningGateway, key: str
) -> None:
    before = len(gateway.entries())
    body = json.dumps(chat("script:nasty")).encode()
    agent, tag = b"User-Agent: a\xc2\x9b31m\t}\xe2\x80\xae", b'X-AI-Tags: workflow="a}{b"'
    assert exchange(gateway.port, request(b"/v1/chat/completions", body, key, agent, tag)).statuses == [200]
    for model in ('a"}', "a\\", "😀", "a{b}", "é" * 200):
        assert gateway.post("/v1/chat/completions", chat("hi", model=model), key).status == 200
    for model in ("a\nb", "a\x1b[31mb", "a\u202eb", "a\u2028b", "a\x9bb", "a\x00b"):
        assert gateway.post("/v1/chat/completions", chat("hi", model=model), key).status == 400
    exchange(gateway.port, request(b"/v1/\x1b[31m/x", b"", key))
    exchange(gateway.port, b"GET /v1/" + b"a" * 3000 + b'"} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    gateway.calls(before + 6)
    until(lambda: gateway.said().count('"event":"call_settled"') >= before + 6, "every call has its line")
    lines = gateway.said().splitlines()
    told = [json.loads(line) for line in lines]
    settled = [line["request_id"] for line in told if line["event"] == "call_settled"]
    assert len(settled) == len(set(settled)) == before + 6
    assert "forged" not in settled
    assert not [line for line in lines if not all(_shows(character) for character in line)]
    assert max(map(len, lines)) < 8000
    # What a call's line may hold is what an entry holds, and that is known by name.
    known = {"event", *Call.__struct_fields__}
    assert not [line for line in told if line["event"] == "call_settled" and not line.keys() <= known]


def _shows(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Zl", "Zp", "Cs"}


def test_T56_names_a_provider_makes_up_are_cut_to_a_length(gateway: RunningGateway, key: str) -> None:
    answer = gateway.post("/v1/chat/completions", chat("script:long"), key)
    assert answer.status == 200
    call = gateway.call(answer.headers["x-request-id"])
    assert call.response_model is not None
    assert call.response_id is not None
    assert len(call.response_model) <= 256
    assert len(call.response_id) <= 256
    assert len(call.service_tier) <= 64
    assert call.usage is not None


def series(page: bytes) -> set[bytes]:
    return {line.rpartition(b" ")[0] for line in page.splitlines() if not line.startswith(b"#")}


def test_T55_nothing_a_client_makes_up_becomes_a_label(gateway: RunningGateway, key: str) -> None:
    def made_up(number: int) -> None:
        tags = {"x-ai-tags": f"epic=T55-{number}, env=t55-{number}, workflow=t55{number}, product=t55-{number}"}
        gateway.post("/v1/chat/completions", chat("hi", model=f"t55-{number}"), key, tags)
        gateway.send("GET", f"/t55-{number}", None)
        gateway.send(f"T55{number}", f"/v1/t55-{number}", None)
        gateway.send("POST", f"/t/T55-{number}/v1/x", b"{}", {"user-agent": f"t55-{number}"})

    made_up(0)
    until(lambda: b"other" in gateway.get("/metrics").body, "the first is counted")
    before = series(gateway.get("/metrics").body)
    for number in range(1, 60):
        made_up(number)
    page = gateway.get("/metrics").body
    assert series(page) == before
    assert b"t55" not in page.lower()


def test_T55_a_hundred_thousand_names_are_counted_under_one() -> None:
    registry = CollectorRegistry()
    recorder = Recorder(registry, lambda label, value: value in {"search", "gpt"}, log_calls=False)
    chance = random.Random(55)
    for number in range(100_000):
        model = f"made-up-{number}" if number % 2 else "gpt"
        call = Call(
            request_id="r", state="settled", operation="chat", dialect="openai", provider_name="openai",
            request_model=model, status=chance.choice((200, 400, 500)), tags={"team": f"team-{number}"},
        )  # fmt: skip
        recorder.record(call, msgspec.Raw(b"{}"))
    recorder.publish()
    page = generate_latest(registry)
    assert len(page.splitlines()) < 200 < SERIES_MAX
    assert (
        sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(b"weighbridge_calls_total{"))
        == 1e5
    )


STRANGER = (
    "/", "/livez", "/readyz", "/metrics", "/v1/models", "/v1beta/models", "/v1/models/gpt-4o-mini", "/docs", "/redoc",
    "/openapi.json", "/api/v1/me", "/api/v1/keys", "/api/v1/spend", "/api/v1/teams", "/api/v1/nothing", "/favicon.ico",
    "/robots.txt", "/.env", "/.git/config", "/server-status", "/debug/pprof", "/actuator/health", "/admin", "/version",
    "/health", "/healthz", "/status", "/graphql", "/swagger.json", "/weighbridge.toml", "/data/ledger.db", "/%2e%2e/x",
)  # fmt: skip
TELLING = re.compile(
    rb"uvicorn|starlette|fastapi|python|httptools|traceback|sqlite|postgres|/tmp|/work|secrets|127\.0\.0\.1|gpt-4o|\d+\.\d+\.\d+",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", STRANGER)
def test_T81_a_stranger_learns_no_more_than_that_there_is_a_gateway(
    gateway: RunningGateway, key: str, path: str
) -> None:
    """As from another machine: what comes through a proxy is not taken for this machine's."""
    for method in ("GET", "HEAD", "POST", "OPTIONS", "TRACE", "DELETE"):
        answer = gateway.send(method, path, b"" if method == "POST" else None, {"x-forwarded-for": "10.0.0.9"})
        assert answer.status in {200, 400, 401, 403, 404, 405, 415}
        shown = answer.body + repr(answer.headers).encode()
        assert not TELLING.search(shown.replace(b"openapi", b"")), (method, shown)
        assert not {"server", "x-powered-by", "date"} & answer.headers.keys()
        if answer.status == 200 and method == "GET":
            assert path in {"/", "/livez", "/readyz"}
