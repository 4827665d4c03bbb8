"""What records say, as JSON: an intent, an entry, or the end of a request with all its entries."""

import msgspec

from gateway.ledger.entry import Entry


class Ended(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request's end: one record, so that the call and its absorbed attempts are kept or lost together."""

    request_id: str
    entry: Entry
    absorbed: tuple[Entry, ...] = ()

    def entries(self) -> tuple[Entry, ...]:
        """Give all of them, in the order in which they happened."""
        return (*self.absorbed, self.entry)
