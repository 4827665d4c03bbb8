"""The echo provider, as a process: the dialects' own shapes, counts that follow from the request, faults by name."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from gateway.echo.answer import BLOCK_TOKENS, REASONING, PromptCache, tokens
from gateway.echo.faults import PAUSE_S
from gateway.echo.serve import listening
from gateway.providers.anthropic import ANTHROPIC
from gateway.providers.gemini import GEMINI
from gateway.providers.openai import OPENAI
from tests.needs import needs

DEADLINE_S = 20


@pytest.fixture(scope="module")
def echo() -> Iterator[httpx.Client]:
    command = [sys.executable, "-m", "gateway.echo", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S, trust_env=False) as client:
        yield client
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE_S) in {0, -signal.SIGTERM}
    process.stdout.close()


def chat(model: str = "echo", said: str = "Hello there", **more) -> dict:
    return {"model": model, "messages": [{"role": "user", "content": said}], **more}


def contents(said: str = "Hello there", **more) -> dict:
    return {"contents": [{"role": "user", "parts": [{"text": said}]}], **more}


CASES = [
    (OPENAI, "chat", "/v1/chat/completions", chat()),
    (OPENAI, "responses", "/v1/responses", {"model": "echo", "input": "Hello there"}),
    (OPENAI, "text_completion", "/v1/completions", {"model": "echo", "prompt": "Hello there"}),
    (ANTHROPIC, "chat", "/v1/messages", chat(max_tokens=100)),
    (GEMINI, "generate_content", "/v1beta/models/echo:generateContent", contents()),
]
NAMES = ["chat", "responses", "completions", "messages", "generateContent"]


def metered(dialect, operation, body: dict, streamed: bool, answer: bytes):
    """Read an answer with the gateway's own meter, as the gateway would."""
    asked = dialect.read(operation, json.dumps(body).encode(), model="echo", streamed=streamed)
    meter = dialect.meter(asked)
    meter.feed(answer)
    meter.finish()
    assert meter.ending() == "complete"
    return meter.reading()


@pytest.mark.parametrize(("dialect", "operation", "path", "body"), CASES, ids=NAMES)
def test_each_dialect_answers_whole_and_streamed_with_the_same_usage(echo, dialect, operation, path, body):
    whole = echo.post(path, json=body)
    streaming = body | ({} if dialect is GEMINI else {"stream": True})
    if operation in {"chat", "text_completion"} and dialect is OPENAI:
        streaming["stream_options"] = {"include_usage": True}
    stream = echo.post(path.replace(":generateContent", ":streamGenerateContent?alt=sse"), json=streaming)
    assert whole.status_code == stream.status_code == 200
    assert whole.headers["content-type"] == "application/json"
    assert stream.headers["content-type"] == "text/event-stream"
    first = metered(dialect, operation, body, False, whole.content)
    second = metered(dialect, operation, streaming, True, stream.content)
    assert first.usage == second.usage
    assert first.usage is not None
    assert first.usage.output_tokens == tokens("Hello there") == 3
    assert first.usage.input_tokens > 0
    assert (first.response_model, first.flags) == ("echo", ())
    assert first.response_id
    assert "Hello there" in whole.text


@pytest.mark.parametrize(("dialect", "operation", "path", "body"), CASES[:1] + CASES[1:2] + CASES[3:])
def test_reasoning_is_counted_inside_the_output(echo, dialect, operation, path, body):
    body = json.loads(json.dumps(body).replace('"echo"', '"echo-reason"'))
    answer = echo.post(path.replace("/echo:", "/echo-reason:"), json=body)
    usage = metered(dialect, operation, body, False, answer.content).usage
    assert usage.output_tokens == tokens("Hello there") + tokens(REASONING)
    if dialect is not ANTHROPIC:  # Anthropic does not single thinking out.
        assert usage.reasoning_output_tokens == tokens(REASONING)


@pytest.mark.parametrize(
    ("path", "asking"),
    [
        ("/v1/chat/completions", {"reasoning_effort": "low"}),
        ("/v1/responses", {"reasoning": {"effort": "low"}}),
        ("/v1/messages", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("/v1beta/models/m:generateContent", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 64}}}),
    ],
)
def test_reasoning_that_is_asked_for_is_done(echo, path, asking):
    body = chat() | contents() | {"input": "Hello there"}
    plainly, thoughtfully = echo.post(path, json=body), echo.post(path, json=body | asking)
    assert len(thoughtfully.content) > len(plainly.content)


def test_a_repeated_beginning_of_a_prompt_is_read_from_the_cache(echo):
    body = chat("cache-rule", "What now?")
    body["messages"].insert(0, {"role": "system", "content": "rules " * 1500})
    usages = [echo.post("/v1/chat/completions", json=body).json()["usage"] for _ in range(2)]
    assert [usage["prompt_tokens_details"]["cached_tokens"] for usage in usages] == [0, 2 * BLOCK_TOKENS]
    assert usages[0]["prompt_tokens"] == usages[1]["prompt_tokens"]
    body["messages"][0]["content"] = "x" + body["messages"][0]["content"]
    other = echo.post("/v1/chat/completions", json=body).json()["usage"]
    assert other["prompt_tokens_details"]["cached_tokens"] == 0


def test_anthropic_writes_to_the_cache_only_what_is_marked_for_it(echo):
    body = chat("cache-write", "What now?", max_tokens=64, system=[{"type": "text", "text": "rules " * 1500}])
    for _ in range(2):
        usage = echo.post("/v1/messages", json=body | {"model": "unmarked"}).json()["usage"]
        assert usage["cache_creation_input_tokens"] == 0
    body["system"][0]["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
    first, second = (echo.post("/v1/messages", json=body).json()["usage"] for _ in range(2))
    assert first["cache_creation"]["ephemeral_1h_input_tokens"] == 2 * BLOCK_TOKENS == second["cache_read_input_tokens"]
    assert second["cache_creation_input_tokens"] == 0
    assert first["input_tokens"] == second["input_tokens"] < BLOCK_TOKENS


def test_what_is_remembered_of_prompts_has_an_end(monkeypatch):
    monkeypatch.setattr("gateway.echo.answer.BLOCKS_MAX", 2)
    cache = PromptCache()
    block = BLOCK_TOKENS * 4
    assert cache.read("m", b"a" * block) == (0, BLOCK_TOKENS)
    assert cache.read("m", b"b" * block) == (0, BLOCK_TOKENS)
    assert cache.read("m", b"c" * block) == (0, BLOCK_TOKENS)
    assert cache.read("m", b"c" * block) == (BLOCK_TOKENS, 0)
    assert cache.read("m", b"a" * block) == (0, BLOCK_TOKENS)


def test_only_an_unbroken_beginning_is_read_from_the_cache(monkeypatch):
    monkeypatch.setattr("gateway.echo.answer.BLOCKS_MAX", 2)
    cache = PromptCache()
    prompt = b"".join(letter * (BLOCK_TOKENS * 4) for letter in (b"a", b"b", b"c"))
    assert cache.read("m", prompt) == (0, 3 * BLOCK_TOKENS)
    assert cache.read("m", prompt) == (0, 3 * BLOCK_TOKENS)  # its first block was forgotten meanwhile


@pytest.mark.parametrize(("limit", "text", "finish"), [(3, "Hello there", "stop"), (2, "Hello th", "length")])
def test_an_output_limit_cuts_the_echo_and_says_so(echo, limit, text, finish):
    choice = echo.post("/v1/chat/completions", json=chat(max_completion_tokens=limit)).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (text, finish)


def test_a_tool_is_called_by_its_name_and_its_result_is_said_back(echo):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    body = chat(said='Please call weather {"city":"Oslo"}', tools=tools)
    choice = echo.post("/v1/chat/completions", json=body).json()["choices"][0]
    call = choice["message"]["tool_calls"][0]
    assert (choice["finish_reason"], call["function"]["name"]) == ("tool_calls", "weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}
    body["messages"] += [choice["message"], {"role": "tool", "tool_call_id": call["id"], "content": "Rain"}]
    assert echo.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"] == "Rain"
    body["messages"] = chat(said="call nobody")["messages"]
    assert echo.post("/v1/chat/completions", json=body).json()["choices"][0]["finish_reason"] == "stop"


RESPONSES_TOOL = {"model": "m", "input": "call f", "tools": [{"type": "function", "name": "f"}]}


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/v1/messages", chat(tools=[{"name": "f"}], said="call f"), '"tool_use"'),
        ("/v1/responses", RESPONSES_TOOL, '"function_call"'),
        ("/v1/models/m:generateContent", contents("call f", tools=[{"functionDeclarations": [{"name": "f"}]}]),
         '"functionCall"'),
    ],
)  # fmt: skip
def test_a_tool_is_called_in_every_dialect(echo, path, body, place):
    assert place in echo.post(path, json=body).text


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings"])
@pytest.mark.parametrize("status", [429, 500, 529])
def test_a_models_name_asks_for_a_status(echo, path, status):
    answer = echo.post(path, json=chat(f"echo-{status}", input="x"))
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert ("retry-after" in answer.headers) is (status != 500)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
def test_echo_cut_ends_the_connection_in_the_middle_of_the_answer(echo, path, streamed):
    received: list[bytes] = []
    with echo.stream("POST", path, json=chat("echo-cut", input="Hello there", stream=streamed)) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            received.extend(answer.iter_raw())
    assert received
    assert b"[DONE]" not in b"".join(received)


def test_echo_slow_sends_its_first_piece_long_before_its_last(echo):
    with echo.stream("POST", "/v1/chat/completions", json=chat("echo-slow", "Hi", stream=True)) as answer:
        pieces = list(answer.iter_raw())
    assert len(pieces) >= 4
    assert answer.elapsed.total_seconds() >= 3 * PAUSE_S


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(("path", "word"), [("/v1/chat/completions", '"usage"'), ("/v1/messages", "output_tokens")])
def test_echo_nousage_says_nothing_of_tokens(echo, path, word, streamed):
    body = chat("echo-nousage", stream=streamed, stream_options={"include_usage": True})
    assert word not in echo.post(path, json=body).text


def test_echo_cached_counts_half_of_every_prompt_as_cached(echo):
    usage = echo.post("/v1/chat/completions", json=chat("echo-cached")).json()["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] // 2 > 0


CLIENTS = """
import anthropic, openai, sys
from google import genai
base = sys.argv[1]
said = [{"role": "user", "content": "Hello there"}]
one = openai.OpenAI(api_key="x", base_url=base + "/v1", max_retries=0)
assert one.chat.completions.create(model="m", messages=said).choices[0].message.content == "Hello there"
with one.chat.completions.stream(model="echo-reason", messages=said) as stream:
    assert stream.get_final_completion().choices[0].message.content == "Hello there"
with one.responses.stream(model="m", input="Hello there", reasoning={"effort": "low"}) as stream:
    assert stream.get_final_response().output_text == "Hello there"
assert len(one.embeddings.create(model="m", input="x").data[0].embedding) == 1536
assert [model.id for model in one.models.list()][0] == "echo"
two = anthropic.Anthropic(api_key="x", base_url=base, max_retries=0)
thinking = {"type": "enabled", "budget_tokens": 1024}
with two.messages.stream(model="m", max_tokens=2048, messages=said, thinking=thinking) as stream:
    assert stream.get_final_message().content[-1].text == "Hello there"
assert two.messages.count_tokens(model="m", messages=said).input_tokens > 0
for version in ("v1", "v1beta"):
    three = genai.Client(api_key="x", http_options={"base_url": base, "api_version": version})
    assert three.models.generate_content(model="m", contents="Hello there").text == "Hello there"
    pieces = three.models.generate_content_stream(model="m", contents="Hello there, you echo")
    assert "".join(piece.text for piece in pieces) == "Hello there, you echo"
    assert three.models.count_tokens(model="m", contents="Hello").total_tokens > 0
"""


@pytest.mark.heavy
def test_the_providers_own_sdks_read_every_answer(echo):
    command = [str(needs("clients")), "-c", CLIENTS, str(echo.base_url).rstrip("/")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_usage_is_streamed_only_to_who_asked_for_it(echo):
    assert "usage" not in echo.post("/v1/chat/completions", json=chat(stream=True)).text


def test_the_same_text_has_the_same_vector_of_length_one(echo):
    body = {"model": "text-embedding-3-small", "input": ["one", "one", "two"], "dimensions": 8}
    answer = echo.post("/v1/embeddings", json=body).json()
    first, second, third = (row["embedding"] for row in answer["data"])
    assert first == second != third
    assert sum(value * value for value in first) == pytest.approx(1)
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


@pytest.mark.parametrize(("length", "status"), [(1, 200), (4096, 200), (0, 400), (4097, 400), ("8", 400)])
def test_a_vectors_length_has_limits(echo, length, status):
    body = {"model": "e", "input": "x", "dimensions": length}
    assert echo.post("/v1/embeddings", json=body).status_code == status


def test_tokens_are_counted_before_anything_is_said(echo):
    counted = echo.post("/v1/messages/count_tokens", json=chat()).json()["input_tokens"]
    assert counted == echo.post("/v1/messages", json=chat(max_tokens=9)).json()["usage"]["input_tokens"]
    counted = echo.post("/v1beta/models/m:countTokens", json=contents()).json()["totalTokens"]
    said = echo.post("/v1beta/models/m:generateContent", json=contents()).json()["usageMetadata"]
    assert counted == said["promptTokenCount"]


def test_models_are_listed_as_each_dialect_lists_them(echo):
    assert echo.get("/v1/models").json()["data"][0]["object"] == "model"
    assert echo.get("/v1/models", headers={"anthropic-version": "2023-06-01"}).json()["data"][0]["type"] == "model"
    assert echo.get("/v1beta/models").json()["models"][0]["name"] == "models/echo"
    assert echo.get("/v1/models/anything").json()["id"] == "anything"


def test_the_root_answers_and_nothing_else_is_there(echo):
    assert echo.get("/").status_code == echo.head("/").status_code == 200
    assert echo.head("/").content == b""
    assert echo.get("/nothing").status_code == echo.post("/v1/files", json={}).status_code == 404
    assert echo.put("/v1/chat/completions", json=chat()).status_code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"messages":[]}', b'{"messages":1}', b"[" * 100_000])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings"])
def test_a_body_that_asks_nothing_is_refused_in_words(echo, path, body):
    answer = echo.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_the_echo_listens_on_loopback_only(host):
    done = subprocess.run(
        [sys.executable, "-m", "gateway.echo", "--host", host], capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "loopback only" in done.stderr
    with pytest.raises(ValueError, match="loopback"):
        listening(host, 0)


def test_a_port_in_use_is_said_in_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "gateway.echo", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("The echo provider does not start")
    assert "Traceback" not in done.stderr
