"""The stored head of the book: read before every change, written with it."""

import msgspec

from gateway.ledger import schema
from gateway.ledger.chain import Heads
from gateway.ledger.errors import LedgerDown
from gateway.ledger.store import Session

_COLUMNS = ("last_position", "removals", "book_entries", "book_chain", "demo_entries", "demo_chain")
_READ = f"SELECT schema_version, {', '.join(_COLUMNS)} FROM head"  # noqa: S608 - names above
_WRITE = f"UPDATE head SET {', '.join(f'{column} = ?' for column in _COLUMNS)}"  # noqa: S608 - names above


def read_heads(session: Session) -> Heads:
    """Give where the book ends; raises LedgerDown when a newer version has changed its tables meanwhile."""
    found = session.rows(_READ)
    if not found:
        raise LedgerDown("The ledger has lost its head row: restore a backup, or ask for help with the files kept.")
    found_version, last, removals, entries, chain, demo_entries, demo_chain = found[0]
    if found_version != schema.version():
        raise LedgerDown(
            f"The ledger was brought to schema {found_version} while this process, which knows {schema.version()}, "
            "ran: restart it."
        )
    return Heads(last, removals, entries, bytes(chain), demo_entries, bytes(demo_chain))


def write_heads(session: Session, head: Heads) -> None:
    """Move the head; in the transaction that moves the book."""
    session.rows(_WRITE, msgspec.structs.astuple(head))
