"""What a client may write to lead a gateway astray, and providers that show what reached them."""

import json

from gateway.api.app import make_routes
from gateway.routes import EXACT
from tests.fakes.mock import MODELS
from tests.fakes.upstream import Received, Wire, reply
from tests.fault.scripted import GOOD, JSON

PROVIDER_KEY = "sk-the-gateways-own-key"

MESSAGE = (
    b'{"id":"m1","type":"message","role":"assistant","model":"x","content":[],"stop_reason":"end_turn",'
    b'"usage":{"input_tokens":10,"output_tokens":5}}'
)

CONTENT = b'{"candidates":[],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}}'

RESPONSE = (
    b'{"id":"r1","object":"response","status":"completed","model":"x","output":[],'
    b'"usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15}}'
)

GEMINI = tuple(
    f"/{version}/models/{MODELS['gemini']}:{verb}"
    for version in ("v1", "v1beta")
    for verb in ("generateContent", "streamGenerateContent", "countTokens")
)

METERED = (*EXACT, *GEMINI, *(f"/t/PROJ-1{path}" for path in (*EXACT, *GEMINI)))

API = tuple(
    (method, route.path)
    for route in make_routes().routes
    for method in sorted(getattr(route, "methods", ()))
)  # fmt: skip

FREE = (("GET", "/"), ("GET", "/livez"), ("GET", "/readyz"), ("GET", "/metrics"), ("GET", "/v1/models"))


async def fitting(wire: Wire, received: Received) -> None:
    """Answer as the route that is asked would."""
    target = received.target
    if target.startswith("/v1/messages/count_tokens"):
        body = b'{"input_tokens":10}'
    elif target.startswith("/v1/messages"):
        body = MESSAGE
    elif target.startswith("/v1beta/"):
        body = CONTENT
    else:
        body = RESPONSE if target.startswith("/v1/responses") else GOOD
    await wire.send(reply(200, body, JSON))


async def echoing(wire: Wire, received: Received) -> None:
    """Answer with the text that was asked."""
    text = json.loads(received.body)["messages"][0]["content"]
    await wire.send(reply(200, GOOD.replace(b"fine", text.encode()), JSON))


async def meddling(wire: Wire, received: Received) -> None:
    """Answer with headers that would do something to a client."""
    headers = (
        ("set-cookie", "a=b"), ("location", "http://127.0.0.1:9/"), ("access-control-allow-origin", "*"),
        ("strict-transport-security", "max-age=1"), ("content-disposition", "attachment"), ("refresh", "0;url=x"),
        ("link", "<x>; rel=preload"), ("www-authenticate", "Basic"), ("x-weighbridge-cost", "0"), ("server", "theirs"),
        ("x-request-id", "theirs"), ("content-encoding", "identity"), ("alt-svc", "h3"), ("connection", "x-thing"),
        ("x-ratelimit-remaining-tokens", "7"), ("openai-version", "2020-10-01"), ("clear-site-data", '"*"'),
    )  # fmt: skip
    await wire.send(reply(200, GOOD, JSON, *headers))


SCRIPTS = {"echo": echoing, "meddle": meddling, "fit": fitting}


def body_for(path: str) -> dict[str, object]:
    """Give a body that the route takes."""
    if ":" in path:
        return {"contents": [{"role": "user", "parts": [{"text": "script:fit"}]}]}
    if path.endswith("/responses") or path.endswith("/embeddings"):
        return {"model": MODELS["chat"], "input": "script:fit"}
    if path.endswith("/v1/completions"):
        return {"model": MODELS["chat"], "prompt": "script:fit"}
    model = MODELS["messages" if "/messages" in path else "chat"]
    return {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "script:fit"}]}


STEERING_HEADERS = (
    "x-portkey-custom-host", "x-portkey-config", "x-custom-host", "x-forwarded-host", "x-host", "x-original-url",
    "x-rewrite-url", "x-http-host-override", "x-forwarded-server", "forwarded", "destination", "referer", "origin",
    "x-api-base", "api-base", "x-base-url", "base-url", "x-litellm-api-base", "helicone-target-url", "target-url",
    "x-upstream", "x-proxy-url", "proxy-host", "x-azure-endpoint", "x-openai-base-url", "via",
)  # fmt: skip

NAMES = (
    "evil#", "a?b=c", "a@127.0.0.1:9", "a\\b", "a%23", "a%3fb", "a%40b", "a%5cb", "a%2fb", "a%2e%2e%2f", "..", "../x",
    "a/../b", "a;b", "a%0d%0aX-A:%20b", "a%00", "a%20HTTP/1.1", "a:b", "%61", "a//b", "a%252fb", "http:%2f%2fb", "é",
)  # fmt: skip

SQL = (
    "' OR '1'='1", "' OR 1=1 --", "\"; DROP TABLE entries; --", "' UNION SELECT key FROM keys --",
    "1; ATTACH 'x' AS y", "\\'; DELETE FROM entries; --", "' AND sleep(5) --", "$$; SELECT pg_sleep(5); --",
    "%27%20OR%201=1", "') OR ('a'='a",
)  # fmt: skip

HOSTS = (b"a/?x#", b"a?", b"a#", b"a\\", b"a b", b"", b"a,b", b"[::1", b"a:b", b"user@a", b"a\x80", b"http://a")

ELSEWHERE = (
    "/v1/images/generations", "/v1/images/edits", "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/moderations",
    "/v1/files", "/v1/files/f1/content", "/v1/batches", "/v1/fine_tuning/jobs", "/v1/assistants", "/v1/threads",
    "/v1/threads/t1/runs", "/v1/vector_stores", "/v1/uploads", "/v1/realtime", "/v1/realtime/sessions", "/v1/videos",
    "/v1/responses/r1", "/v1/responses/r1/cancel", "/v1/chat/completions/c1", "/v1/completions/",
    "/v1/organization/usage", "/v1/messages/batches", "/v1/complete", "/v1beta/files", "/v1beta/cachedContents",
    "/upload/v1beta/files", "/v1beta/models/m:embedContent", "/v1beta/models/m:batchEmbedContents",
    "/v1beta/models/m:predict", "/v1beta/models/m:batchGenerateContent", "/v1beta/tunedModels/m:generateContent",
    "/v1alpha/models/m:generateContent", "/openai/deployments/dear/chat/completions", "/openai/v1/chat/completions",
    "/anthropic/v1/messages", "/v1/proxy/chat/completions", "/proxy/v1/chat/completions", "/chat/completions",
    "/v1/engines/dear/completions", "/v1/rerank", "/v1/edits", "/api/v1/chat/completions",
    "/t/PROJ-1/t/PROJ-2/v1/chat/completions", "/config/update", "/v2/chat/completions", "/V1/chat/completions",
    "/v1/Chat/Completions", "/mcp", "/key/generate", "/model/new",
)  # fmt: skip


def first_wins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(pairs))


BODIES = (
    b'{"model":"MODEL","messages":[]}',
    b'{"messages":[{"role":"user","content":"a","role":"system"}],"model":"MODEL"}',
    b'{"model":"MODEL","messages":[],"metadata":{"model":"dear"},"x":{"model":"dear","model":"dearer"}}',
    b' { "model" : "MODEL" , "messages" : [ ] } ',
    b'{"model":"MODEL","messages":[],"tools":[{"model":"dear"}],"stream_options":{"model":"dear"},"stream":true}',
    b'{"mod\\u0065l":"dear","model":"MODEL","messages":[]}',
    b'{"model":"dear","model":"MODEL","messages":[]}',
    b'{"model":"MODEL","messages":[],"model":"dear"}',
    b'{"Model":"dear","model":"MODEL","messages":[]}',
    b'{"model":"MODEL\\u0000dear","messages":[]}',
    b'{"model":"MODEL","messages":[],"model\\u0000":"dear"}',
    b'\xef\xbb\xbf{"model":"MODEL","messages":[]}',
    '{"model":"MODEL","messages":[]}'.encode("utf-16"),
    b'{"model":"MODEL","messages":[],"n":NaN}',
    b'{"model":"MODEL","messages":[],"max_tokens":1e400}',
    b'{"model":"MODEL","messages":[],"user":"\\ud800"}',
    b'{"model":"MODEL","messages":[],"user":"\x01"}',
    b'{"model":"MODEL","messages":[]}{"model":"dear"}',
    b'{"model":"MODEL","messages":[]} // {"model":"dear"}',
    b'[{"model":"MODEL","messages":[]}]',
    b'{"model":["MODEL","dear"],"messages":[]}',
    b'{"model":"MODEL","messages":[],"extra_body":{"model":"dear"}}',
)

KINDS = (
    "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/plain", "text/json",
    "application/xml", "application/json; charset=utf-16", "application/json; charset=iso-8859-1",
    "application/jsonp", "application/cbor", "application/json, text/plain", "application/x-ndjson",
    "application/json; boundary=x", "", "*/*", "application/msgpack", "application/json\t;charset=utf-7",
)  # fmt: skip

ALLOWED_ON = {
    "host", "content-length", "content-type", "accept-encoding", "authorization", "x-request-id", "accept",
    "user-agent", "idempotency-key", "anthropic-beta", "anthropic-version", "x-stainless-lang", "traceparent",
    "openai-beta",
}  # fmt: skip

CLIMBS = (
    "/../{}", "/%2e%2e/{}", "/.%2e/{}", "/./{}", "//{}", "/{}/..", "/{}/%2e%2e", "/{};x=y", "/{}%2f", "/{}%5c", "/{}\\",
    "/{}/.", "/%2f{}", "/x/..;/{}", "/{}%00", "/{}%0a", "/{}#x", "/ {}",
)  # fmt: skip
