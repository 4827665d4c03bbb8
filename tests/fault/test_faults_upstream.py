"""A provider that fails in every way it can, behind the whole gateway: what the client is told, and what is booked."""

import socket
from collections.abc import Iterator

import pytest

from gateway.retry import EXTRA_LOAD, RetryBudget
from tests.e2e.running import Reply, RunningGateway, free_port, until
from tests.fakes.metering import DONE, said
from tests.fakes.mock import chat
from tests.fault.failing_acts import ERROR, SCRIPTS, TEXT
from tests.fault.raw import request
from tests.fault.scripted import (
    GOOD,
    GOOD_COST,
    ScriptedProvider,
)


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider(SCRIPTS) as scripted:
        yield scripted


@pytest.fixture(scope="module")
def deaf() -> Iterator[int]:
    """A port whose listener takes no more connections."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        yield listener.getsockname()[1]
        for sock in waiting:
            sock.close()


@pytest.fixture(scope="module")
def gateway(
    provider: ScriptedProvider, deaf: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    at, port = f"http://127.0.0.1:{provider.port}", free_port()
    quick = "private_network = true\nconnect_timeout_s = 0.3\nhead_timeout_s = 0.4\nidle_timeout_s = 0.4\n"
    places = {
        "openai": (at, 'models = ["gpt-*"]\ntotal_timeout_s = 5\n' + quick),
        "dead": (f"http://127.0.0.1:{free_port()}", 'models = ["dead"]\nretries = 1\n' + quick),
        "nowhere": ("https://no-such-host.invalid", 'models = ["nowhere"]\nretries = 0\n' + quick),
        "tls": (f"https://127.0.0.1:{port}", 'models = ["tls"]\nretries = 0\n' + quick),
        "deaf": (f"http://127.0.0.1:{deaf}", 'models = ["deaf"]\nretries = 0\n' + quick),
        "metadata": ("http://169.254.169.254", 'models = ["metadata"]\nretries = 0\n' + quick),
        "narrow": (at, 'models = ["narrow"]\nretries = 0\nconnections_max = 1\n' + quick),
        "short": (at, 'models = ["short"]\nretries = 0\ntotal_timeout_s = 0.5\n' + quick),
    }
    toml = [f'[providers.{name}]\nbase_url = "{url}"\n{rest}' for name, (url, rest) in places.items()]
    toml += ['[models.chain]\ntargets = ["openai/gpt-4o", "openai/gpt-4o-mini"]']
    toml += [f'[models.{name}-chain]\ntargets = ["{name}/{name}", "openai/gpt-4o-mini"]' for name in list(places)[1:6]]
    running = RunningGateway(
        tmp_path_factory.mktemp("upstream"), "\n".join(toml), port=port, module="tests.fault.serve_with"
    ).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key(team="faults")


def ask(gateway: RunningGateway, key: str, script: str, **more: object) -> Reply:
    return gateway.post("/v1/chat/completions", chat(f"script:{script}") | more, key)


def code(answer: Reply) -> str:
    return str(answer.json()["error"]["code"])


def last_error(answer: Reply) -> str:
    """Give the code of the error that ends a stream."""
    events = [line[6:] for line in answer.body.splitlines() if line.startswith(b"data: ")]
    return str(Reply(0, {}, events[-1]).json()["error"]["code"])


@pytest.mark.parametrize("status", [400, 404, 422])
def test_F01_a_providers_refusal_passes_unchanged_and_costs_nothing(
    gateway: RunningGateway, key: str, status: int
) -> None:
    answer = ask(gateway, key, f"status_{status}")
    assert (answer.status, answer.body) == (status, ERROR)
    call = gateway.call(answer.headers["x-request-id"])
    assert (call.state, call.status, call.billed_cost, call.attempt) == ("voided", status, 0, 0)


@pytest.mark.parametrize("status", [401, 403])
def test_F02_the_gateways_own_key_is_not_the_clients_fault(gateway: RunningGateway, key: str, status: int) -> None:
    answer = ask(gateway, key, f"status_{status}")
    assert (answer.status, code(answer)) == (502, "upstream_auth")
    assert b"the provider says no" not in answer.body
    assert "your own key is fine" in answer.json()["error"]["message"]
    assert gateway.call(answer.headers["x-request-id"]).state == "voided"


def test_F03_too_many_requests_is_told_with_its_retry_after_and_not_repeated_at_the_same_place(
    gateway: RunningGateway, key: str, provider: ScriptedProvider
) -> None:
    answer = ask(gateway, key, "status_429")
    assert (answer.status, answer.headers["retry-after"], answer.body) == (429, "7", ERROR)
    assert len(provider.of("status_429")) == 1
    assert gateway.call(answer.headers["x-request-id"]).state == "voided"


@pytest.mark.parametrize("script", ["second_429", "second_500", "second_529", "second_401"])
def test_F03_F04_F05_another_target_answers_and_each_try_has_a_row(
    gateway: RunningGateway, key: str, script: str
) -> None:
    answer = ask(gateway, key, script, model="chain")
    assert (answer.status, answer.body) == (200, GOOD)
    call = gateway.call(answer.headers["x-request-id"])
    with gateway.ledger() as book:
        rows = [placed.entry for placed in book.find(call.request_id)]
    tries = [row.call() for row in rows if row.kind == "attempt"]
    assert (call.state, call.billed_cost, call.attempt) == ("settled", GOOD_COST, len(tries))
    # 500 is tried twice more at its own place first; the others ask for less, or for another key.
    assert [one.reason for one in tries] == [f"status_{script[-3:]}"] * (3 if script == "second_500" else 1)
    assert {(one.state, one.billed_cost) for one in tries} == {("voided", 0)}


@pytest.mark.parametrize("status", [500, 503])
def test_F04_a_failing_provider_is_tried_again_and_then_told_as_it_is(
    gateway: RunningGateway, key: str, provider: ScriptedProvider, status: int
) -> None:
    answer = ask(gateway, key, f"status_{status}")
    assert (answer.status, answer.body) == (status, ERROR)
    assert len(provider.of(f"status_{status}")) == 3
    call = gateway.call(answer.headers["x-request-id"])
    assert (call.state, call.attempt) == ("voided", 2)


def test_F04_retries_add_a_fifth_to_the_load_and_no_more() -> None:
    budget, retries = RetryBudget(), 0
    for _ in range(10_000):
        budget.first_attempt()
        while budget.take():
            retries += 1
    assert retries <= 10_000 * EXTRA_LOAD + 10


def test_F05_an_overloaded_provider_is_not_asked_again(
    gateway: RunningGateway, key: str, provider: ScriptedProvider
) -> None:
    answer = ask(gateway, key, "status_529")
    assert (answer.status, answer.body) == (529, ERROR)
    assert len(provider.of("status_529")) == 1


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("dead", "unreachable"),
        ("nowhere", "unreachable"),
        ("tls", "tls"),
        ("deaf", "connect_timeout"),
        ("metadata", "egress_refused"),
    ],
)
def test_F06_F07_T03_what_cannot_be_reached_costs_nothing_and_the_next_target_is_asked(
    gateway: RunningGateway, key: str, place: str, reason: str
) -> None:
    alone = gateway.post("/v1/chat/completions", chat("hi", model=place), key)
    assert alone.status == 502
    assert code(alone) in {"upstream_unreachable", "upstream_refused"}
    call = gateway.call(alone.headers["x-request-id"])
    assert (call.state, call.reason, call.billed_cost) == ("voided", reason, 0)
    chained = gateway.post("/v1/chat/completions", chat("hi", model=f"{place}-chain"), key)
    assert (chained.status, chained.body) == (200, GOOD)
    assert gateway.call(chained.headers["x-request-id"]).attempt == (2 if place == "dead" else 1)


@pytest.mark.parametrize(
    ("script", "status", "named", "reason"),
    [
        ("no_head", 504, "upstream_timeout", "head_timeout"),
        ("reset_before", 502, "upstream_reset", "reset"),
        ("closed_before", 502, "upstream_reset", "reset"),
        ("not_http", 502, "upstream_protocol", "protocol"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_F08_F09_no_answer_is_uncertain_and_never_asked_for_twice(
    gateway: RunningGateway, key: str, provider: ScriptedProvider, script: str, status: int, named: str, reason: str,
    streamed: bool,
) -> None:  # fmt: skip
    before = len(provider.of(script))
    answer = ask(gateway, key, script, stream=streamed, max_tokens=100)
    assert (answer.status, code(answer)) == (status, named)
    assert len(provider.of(script)) == before + 1
    call = gateway.call(answer.headers["x-request-id"])
    assert (call.state, call.reason, call.billed_cost, call.cost_lower) == ("uncertain", reason, None, 0)
    assert call.cost_upper is not None
    assert call.cost_upper >= 100 * 600


@pytest.mark.parametrize(
    ("script", "named", "reason"),
    [
        ("reset_mid", "upstream_reset", "reset"),
        ("eof_mid", "upstream_reset", "reset"),
        ("eof_clean", "upstream_cut", None),
        ("bad_frame", "upstream_malformed", None),
        ("bad_utf8", "upstream_malformed", None),
        ("stall", "upstream_timeout", "idle_timeout"),
    ],
)
def test_F10_F11_F12_F13_F21_a_stream_that_breaks_ends_in_an_error_and_never_looks_complete(
    gateway: RunningGateway, key: str, script: str, named: str, reason: str | None
) -> None:
    answer = ask(gateway, key, script, stream=True, max_tokens=100)
    assert answer.status == 200
    assert answer.body.startswith(said("half"))
    assert b"[DONE]" not in answer.body
    assert b"oops" not in answer.body
    assert last_error(answer) == named
    call = gateway.call(answer.headers["x-request-id"])
    assert (call.state, call.reason, call.cost_source) == ("uncertain", reason, "estimated")
    assert call.billed_cost is not None
    assert call.cost_upper is not None
    assert call.cost_lower == 0 < call.billed_cost <= call.cost_upper


def test_F14_a_stream_in_any_shape_reaches_the_client_as_it_was_written(gateway: RunningGateway, key: str) -> None:
    answer = ask(gateway, key, "torn", stream=True, stream_options={"include_usage": True})
    assert answer.body.startswith(b": comment\r\n\r\n" + said(TEXT).replace(b"\n\n", b"\r\n\r\n"))
    assert b'data: {"id":"c","model":"gpt",\ndata: "choices":[]}\n\n' in answer.body
    assert answer.body.endswith(DONE)
    assert gateway.call(answer.headers["x-request-id"]).billed_cost == GOOD_COST


def test_F15_usage_that_never_comes_is_estimated_and_marked(gateway: RunningGateway, key: str) -> None:
    answer = ask(gateway, key, "no_usage", stream=True, max_tokens=200)
    assert answer.body.endswith(DONE)
    call = gateway.call(answer.headers["x-request-id"])
    assert (call.state, call.cost_source, call.usage.output_tokens) == ("estimated", "estimated", 100)


def test_F16_of_usage_that_comes_twice_the_last_counts(gateway: RunningGateway, key: str) -> None:
    answer = ask(gateway, key, "usage_twice", stream=True)
    assert gateway.call(answer.headers["x-request-id"]).billed_cost == GOOD_COST


def test_F17_a_zero_that_is_said_is_a_zero(gateway: RunningGateway, key: str) -> None:
    call = gateway.call(ask(gateway, key, "usage_zero", stream=True).headers["x-request-id"])
    assert (call.state, call.billed_cost, call.cost_source) == ("settled", 0, "computed")


@pytest.mark.parametrize("script", ["usage_lie", "usage_huge"])
def test_F18_T52_T74_counts_that_cannot_be_are_not_billed_but_estimated_and_flagged(
    gateway: RunningGateway, key: str, script: str
) -> None:
    call = gateway.call(ask(gateway, key, script, stream=True, max_tokens=50).headers["x-request-id"])
    assert (call.state, call.cost_source, call.usage.output_tokens) == ("estimated", "estimated", 10)
    assert "implausible" in call.flags


def test_F20_a_slow_trickle_is_let_live_until_the_total_time(gateway: RunningGateway, key: str) -> None:
    answer = ask(gateway, key, "trickle", stream=True)
    assert answer.body.endswith(DONE)
    assert gateway.call(answer.headers["x-request-id"]).billed_cost == GOOD_COST
    cut = ask(gateway, key, "trickle", stream=True, model="short")
    assert last_error(cut) == "upstream_timeout"
    assert gateway.call(cut.headers["x-request-id"]).state == "uncertain"


@pytest.mark.parametrize(
    ("script", "named"), [("gzip", "upstream_protocol"), ("html", "upstream_content_type"),
                          ("no_type", "upstream_content_type")]
)  # fmt: skip
def test_F22_F24_what_cannot_be_read_is_not_passed_on_and_may_have_been_billed(
    gateway: RunningGateway, key: str, script: str, named: str
) -> None:
    answer = ask(gateway, key, script)
    assert (answer.status, code(answer)) == (502, named)
    assert b"secret" not in answer.body
    assert gateway.call(answer.headers["x-request-id"]).state == "uncertain"


def test_F24_a_proxys_page_with_an_error_status_is_an_error_and_its_words_are_not_passed_on(
    gateway: RunningGateway, key: str
) -> None:
    answer = ask(gateway, key, "html_502")
    assert (answer.status, code(answer)) == (502, "upstream_content_type")
    assert b"secret" not in answer.body
    assert gateway.call(answer.headers["x-request-id"]).state == "voided"


def test_F23_an_error_under_a_good_status_costs_nothing(gateway: RunningGateway, key: str) -> None:
    answer = ask(gateway, key, "error_in_200")
    assert (answer.status, answer.body) == (200, ERROR)
    call = gateway.call(answer.headers["x-request-id"])
    assert (call.state, call.billed_cost) == ("voided", 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_F25_T05_a_redirect_is_never_followed(
    gateway: RunningGateway, key: str, provider: ScriptedProvider, status: int
) -> None:
    answer = ask(gateway, key, f"redirect_{status}")
    assert (answer.status, code(answer)) == (502, "upstream_redirect")
    assert "location" not in answer.headers
    assert len(provider.of(f"redirect_{status}")) == 1
    assert gateway.call(answer.headers["x-request-id"]).state == "voided"


def test_F26_more_output_than_was_asked_for_is_booked_as_the_provider_says(gateway: RunningGateway, key: str) -> None:
    call = gateway.call(ask(gateway, key, "too_many", stream=True, max_tokens=50).headers["x-request-id"])
    assert (call.state, call.usage.output_tokens, call.billed_cost) == ("settled", 900, 10 * 150 + 900 * 600)


def test_F27_a_provider_whose_connections_are_all_in_use_is_busy_for_a_moment(
    gateway: RunningGateway, key: str, provider: ScriptedProvider
) -> None:
    before = len(provider.of("stall"))
    with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
        body = b'{"model":"narrow","stream":true,"messages":[{"role":"user","content":"script:stall"}]}'
        sock.sendall(request(b"/v1/chat/completions", body, key))
        until(lambda: len(provider.of("stall")) > before, "the one connection is in use")
        answer = gateway.post("/v1/chat/completions", chat("hi", model="narrow"), key)
    assert (answer.status, code(answer), answer.headers["retry-after"]) == (503, "pool_exhausted", "1")
    assert gateway.call(answer.headers["x-request-id"]).state == "voided"


def test_F28_a_providers_clock_and_prices_are_ignored(gateway: RunningGateway, key: str) -> None:
    answer = ask(gateway, key, "odd_headers")
    call = gateway.call(answer.headers["x-request-id"])
    assert call.billed_cost == GOOD_COST
    assert not {"date", "x-price"} & answer.headers.keys()
    with gateway.ledger() as book:
        assert book.find(call.request_id)[0].entry.occurred_at.year > 2000


def test_a_server_that_does_not_stream_answers_a_stream_whole(gateway: RunningGateway, key: str) -> None:
    answer = ask(gateway, key, "whole_for_stream", stream=True)
    assert (answer.status, answer.body) == (200, GOOD)
    assert gateway.call(answer.headers["x-request-id"]).billed_cost == GOOD_COST


def test_F34_an_idempotency_key_is_the_providers_affair_and_each_call_has_its_own_row(
    gateway: RunningGateway, key: str, provider: ScriptedProvider
) -> None:
    """Replaying an answer would mean keeping it; the provider that is given the key can, and bills as it does."""
    body = chat("idempotent")
    answers = [gateway.post("/v1/chat/completions", body, key, {"idempotency-key": "one"}) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert [received.header(b"idempotency-key") for received in provider.of("idempotent")] == [b"one", b"one"]
    calls = [gateway.call(answer.headers["x-request-id"]) for answer in answers]
    assert [(call.state, call.billed_cost) for call in calls] == [("settled", GOOD_COST)] * 2
