"""Which addresses carry metered requests."""

import pytest

from gateway.routes import EXACT, dialect_of, metered, untagged


@pytest.mark.parametrize("path", sorted(EXACT))
def test_every_route_may_carry_an_initiative_before_it(path: str) -> None:
    plain, tagged = metered(path), metered(f"/t/PROJ-42{path}")
    assert plain is not None
    assert tagged is not None
    assert (tagged.dialect, tagged.operation) == (plain.dialect, plain.operation)
    assert tagged.initiative == "PROJ-42"
    assert plain.initiative is None


@pytest.mark.parametrize(
    ("path", "operation", "model", "streamed"),
    [
        ("/v1beta/models/gemini-2.5-pro:generateContent", "generate_content", "gemini-2.5-pro", False),
        ("/v1/models/gemini-2.5-pro:streamGenerateContent", "generate_content", "gemini-2.5-pro", True),
        ("/v1beta/models/google/gemini-2.5-pro:countTokens", "count_tokens", "google/gemini-2.5-pro", False),
    ],
)
def test_gemini_says_model_and_stream_in_the_address(path: str, operation: str, model: str, streamed: bool) -> None:
    asks = metered(path)
    assert asks is not None
    assert (asks.operation, asks.model, asks.streamed, asks.dialect.name) == (operation, model, streamed, "gemini")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/images/generations", "/v1/audio/speech", "/v1/moderations", "/v1/files", "/v1/batches", "/v1/chat",
        "/v1/chat/completions/", "/v1/messages/batches", "/v1beta/models/x:batchGenerateContent",
        "/v1/fine_tuning/jobs",
        "/v1/models/x:predict", "/openai/deployments/x/chat/completions", "/t//v1/messages", "/t/a/t/b/v1/messages",
        "/t/a", "/t/a/", "/v1/responses/resp_1", "/v1/realtime",
    ],
)  # fmt: skip
def test_T24_what_is_not_metered_does_not_exist(path: str) -> None:
    assert metered(path) is None


def test_an_initiative_in_the_address_is_decoded_once() -> None:
    assert untagged("/t/PROJ%2D42/v1/messages") == ("PROJ-42", "/v1/messages")
    assert untagged("/v1/messages") == (None, "/v1/messages")


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", "openai"),
        ("/v1/messages", "anthropic"),
        ("/t/A-1/v1/messages/count_tokens", "anthropic"),
        ("/v1beta/models/x:generateContent", "gemini"),
        ("/v1/models/x:generateContent", "gemini"),
        ("/nowhere", "openai"),
    ],
)
def test_an_error_takes_the_shape_of_the_address(path: str, dialect: str) -> None:
    assert dialect_of(path).name == dialect
