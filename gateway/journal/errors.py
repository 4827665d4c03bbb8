"""What keeps a journal from being opened; the process then ends with exit code 78 and this text."""


class JournalUnusable(Exception):
    """The journal's directory cannot be used; the text says which, why and what to do."""


class JournalLocked(JournalUnusable):
    """Another process writes to the journal's directory; the text names it."""
