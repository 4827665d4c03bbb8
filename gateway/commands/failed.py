"""What a verb ends with when it did not do what was asked."""

FAILED = 1
BAD_SETTINGS = 78
"""EX_CONFIG of sysexits.h: a supervisor does not start such a program again."""


class Failed(Exception):
    """The verb did not do what was asked; the text is one sentence that says why and what to do."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        """Keep the sentence and the exit code."""
        super().__init__(text)
        self.code = code
