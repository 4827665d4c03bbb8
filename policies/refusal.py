"""A rule's no, as a value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """A stable code for programs, one sentence with what to do for people, and the HTTP status it maps to."""

    code: str
    message: str
    status: int = 400
    retry_after_s: int | None = None
