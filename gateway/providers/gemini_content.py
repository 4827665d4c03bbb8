"""Answers of Gemini's generateContent and countTokens: chunks of one shape, each with the usage so far.

Shape: ai.google.dev/api/generate-content#GenerateContentResponse, read 2026-11-23. A stream has no event of its own
for its end: the last chunk gives a reason to finish and the connection closes.
"""

import msgspec

from gateway.providers.answer import (
    UNREADABLE,
    Malformed,
    decoded_loosely,
    flags_of,
    is_there,
    loose_text_bytes,
    text_bytes,
)
from gateway.providers.counts import Weighed, counts_of
from gateway.providers.gemini_usage import tier_of, usage_of
from gateway.providers.provider import Reading
from gateway.providers.stream import Step
from policies.money import NanoUsd
from policies.usage import Usage


class _Part(msgspec.Struct, gc=False):
    text: str | None = None
    function_call: object = msgspec.field(default=None, name="functionCall")


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Grounding(msgspec.Struct, gc=False, rename="camel"):
    web_search_queries: list[str] | None = None


class _Candidate(msgspec.Struct, gc=False, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    grounding_metadata: _Grounding | None = None


class _Feedback(msgspec.Struct, gc=False, rename="camel"):
    block_reason: str | None = None


class _Answer(msgspec.Struct, gc=False, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: msgspec.Raw = msgspec.Raw()
    model_version: str | None = None
    response_id: str | None = None
    error: msgspec.Raw = msgspec.Raw()


class _Loose(msgspec.Struct, gc=False, rename="camel"):
    """The same answer where its shapes are other than documented."""

    candidates: object = None
    usage_metadata: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


PER_PROMPT = ("gemini-1", "gemini-2", "models/gemini-1", "models/gemini-2")
"""Models whose searches are billed per grounded prompt (ai.google.dev/gemini-api/docs/pricing, read 2026-11-23)."""

_answer = msgspec.json.Decoder(_Answer)
_loose = msgspec.json.Decoder(_Loose)


class ContentReader:
    """Reads chunks and whole answers."""

    def __init__(self, *, counts_tokens: bool = False) -> None:
        """Start before the first chunk; `counts_tokens` when the answer is a free count."""
        self._counts_tokens = counts_tokens
        self._model: str | None = None
        self._id: str | None = None
        self._usage = msgspec.Raw()
        self._searches = 0
        self._error = False
        self._finished = False
        self._bytes = 0

    def take(self, data: bytes) -> Step:
        """Read one chunk; the one that gives a reason to finish is held for the end."""
        answer = self._decoded(data)
        finishing = self._read(answer)
        if self._error:
            return Step.LAST
        self._finished = self._finished or finishing
        return Step.USAGE if finishing else Step.CONTENT

    def whole(self, body: bytes) -> Reading | None:
        """Read a whole answer."""
        try:
            self._read(self._decoded(body))
        except Malformed:
            return None
        self._finished = True
        return self.reading()

    def reading(self) -> Reading:
        """Give what is known now."""
        counts = counts_of(self._usage)
        # Up to version 2.5 a grounded prompt is billed once, however often it was searched for; from 3 on each search.
        once = self._model is not None and self._model.startswith(PER_PROMPT)
        weighed = usage_of(counts, searches=min(self._searches, 1) if once else self._searches)
        if self._counts_tokens and not self._error:
            weighed = Weighed(Usage())
        return Reading(
            usage=weighed.usage,
            response_model=self._model,
            response_id=self._id,
            service_tier=tier_of(counts),
            output_bytes=self._bytes,
            flags=flags_of(
                error_in_body=self._error,
                implausible=weighed.implausible,
                partial=weighed.usage is not None and not self.complete(),
            ),
        )

    def complete(self) -> bool:
        """Say whether the answer may end here: it gave a reason to finish, or an error."""
        return self._finished or self._error

    def priced(self, event: bytes, cost: NanoUsd) -> bytes:  # noqa: ARG002 - Gemini's usage has no place for a cost
        """Give the event as it is."""
        return event

    def _read(self, answer: _Answer) -> bool:
        """Take in what an answer says; gives whether it has a reason to finish."""
        self._model = answer.model_version or self._model
        self._id = answer.response_id or self._id
        self._error = self._error or is_there(answer.error)
        if is_there(answer.usage_metadata):
            self._usage = answer.usage_metadata.copy()
        finishing = answer.prompt_feedback is not None and answer.prompt_feedback.block_reason is not None
        for candidate in answer.candidates or ():
            finishing = finishing or candidate.finish_reason is not None
            if candidate.content is not None:
                for part in candidate.content.parts or ():
                    self._bytes += text_bytes(part.text)
                    if part.function_call is not None:
                        self._bytes += loose_text_bytes(part.function_call)
            grounding = candidate.grounding_metadata
            if grounding is not None and grounding.web_search_queries:
                self._searches = len(set(grounding.web_search_queries) - {""})
        return finishing

    def _decoded(self, data: bytes) -> _Answer:
        """Decode an answer; what has another shape is read loosely. Raises Malformed when it is not JSON."""
        try:
            return _answer.decode(data)
        except UNREADABLE:
            pass
        loose = decoded_loosely(_loose, data)
        if loose is None:
            return _Answer()
        self._bytes += loose_text_bytes(loose.candidates)
        return _Answer(usage_metadata=loose.usage_metadata, error=loose.error)
