"""What does not end is given up at a bound, and the last that fits passes."""

from gateway.providers.gemini import GEMINI
from gateway.providers.openai import OPENAI
from gateway.providers.sse import PICTURES, TEXT
from gateway.providers.whole import BODY_BYTES_MAX
from tests.fakes.metering import data, meter, said


def test_t54_f19_a_line_that_does_not_end_is_given_up_and_memory_stays_bounded() -> None:
    for size in (1024, 2**20):
        answer = meter(OPENAI)
        fed = 0
        while not answer.ended:
            assert answer.feed(b"x" * size) == b""
            fed += size
        assert fed <= TEXT.line + size
        answer.finish()
        assert answer.ending() == "too_large"
        assert answer.close(None) == b""


def test_t54_f19_an_event_that_does_not_end_is_given_up() -> None:
    answer = meter(OPENAI)
    line = b": " + b"x" * 1000 + b"\n"
    fed = 0
    while not answer.ended:
        assert answer.feed(line) == b""
        fed += len(line)
    assert TEXT.event < fed <= TEXT.event + len(line)
    assert answer.ending() == "too_large"


def test_t54_the_longest_line_that_fits_passes_and_the_next_does_not() -> None:
    for over, ending in ((0, "truncated"), (1, "too_large")):
        event = said("")
        event = event.replace(b'"content": ""', b'"content": "' + b"x" * (TEXT.line + over - len(event) + 2) + b'"')
        for cuts in ([event], [event[:-1], event[-1:]], [event[:100], event[100:]]):
            answer = meter(OPENAI)
            out = b"".join(map(answer.feed, cuts))
            assert out == (b"" if over else event)
            assert answer.ending() == ending


def test_a_picture_in_one_line_passes_where_pictures_are_sent() -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": "A" * (2 * TEXT.line)}}
    event = data({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]})
    assert len(event) < PICTURES.line
    answer = meter(GEMINI, "generate_content")
    assert answer.feed(event) + answer.close(None) == event
    assert answer.ending() == "complete"


def test_t54_comments_without_end_pass_and_keep_nothing() -> None:
    answer = meter(OPENAI)
    for _ in range(1000):
        assert answer.feed(b": keep-alive\n\n") == b": keep-alive\n\n"


def test_a_whole_answer_past_its_bound_is_given_up() -> None:
    answer = meter(OPENAI, streamed=False)
    piece = b" " * 2**24
    for _ in range(BODY_BYTES_MAX // len(piece)):
        answer.feed(piece)
    assert not answer.ended
    answer.feed(b"x")
    answer.finish()
    assert answer.ending() == "too_large"
    assert answer.close(None) == b""
