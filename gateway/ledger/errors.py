"""What can go wrong with the book, named for what happened; callers meet these whatever engine keeps it."""


class LedgerDown(Exception):
    """The store is away, locked, full or read-only at this moment. The text is a sentence for people.

    Whether an append was committed may not be known. Anything may be asked again: what is there counts as duplicates.
    """


class BadLedger(Exception):
    """This store cannot be the book until a person acts; the text says what, where and what to do."""


class Unstorable(Exception):
    """One entry of a batch can never be stored, and none of the batch was.

    `id` names it: set it aside for a person and append the rest. None when the store could not say which:
    halve the batch until it can; a batch of one always can.
    """

    def __init__(self, id: str | None, why: str) -> None:
        """Keep which entry it is; the text says why."""
        super().__init__(f"{id or 'an entry'} cannot be stored: {why}")
        self.id = id


class UnknownDimension(ValueError):
    """Spend was asked by a word that is no dimension; the text names those there are."""
