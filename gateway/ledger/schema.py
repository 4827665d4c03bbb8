"""The book's tables, one text for every engine, and the way from an older version to this one."""

from string import Template

from gateway.ledger.chain import GENESIS
from gateway.ledger.entry import FIGURES
from gateway.ledger.errors import BadLedger
from gateway.ledger.posting import ACCOUNT
from gateway.ledger.store import Session

SUM_MAX = 9 * 10**18
"""Nine billion dollars an account and day. SQLite would go on in floating point where 64 bits end; this stops it."""

STRETCH = 4096
"""Entries a piece of the index over response ids covers."""

_SUMS = ",\n    ".join(f"{name} $int NOT NULL CHECK ({name} BETWEEN -{SUM_MAX} AND {SUM_MAX})" for name in FIGURES)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # Every version keeps `head` and its first two columns: by them an older one knows that it is too old.
        """CREATE TABLE head (
    one $int PRIMARY KEY CHECK (one = 1),
    schema_version $int NOT NULL,
    last_position $int NOT NULL,
    removals $int NOT NULL,
    book_entries $int NOT NULL,
    book_chain $bytes NOT NULL,
    demo_entries $int NOT NULL,
    demo_chain $bytes NOT NULL
)""",
        """CREATE TABLE entries (
    position $int PRIMARY KEY,
    id $text NOT NULL UNIQUE,
    kind $text NOT NULL,
    occurred_at $time NOT NULL,
    recorded_at $time NOT NULL,
    source $text NOT NULL,
    corrects $text,
    body $text NOT NULL,
    payload_hash $bytes NOT NULL,
    chain_hash $bytes NOT NULL,
    request_id $text,
    response_id $text
)""",
        "CREATE INDEX entries_kind ON entries (kind, position)",
        "CREATE INDEX entries_request ON entries (request_id) WHERE request_id IS NOT NULL",
        # Providers' ids are chance: one index over all would touch a thousand pages for a thousand calls. Cut into
        # stretches, only the last is written to, and a search asks each: 2,500 look-ups in ten million entries.
        f"""CREATE INDEX entries_response ON entries ((position / {STRETCH}), response_id)
    WHERE response_id IS NOT NULL""",
        f"""CREATE TABLE accounts (
    id $int PRIMARY KEY,
    digest $bytes NOT NULL UNIQUE,
    {", ".join(f"{name} $text" for name in ACCOUNT)}
)""",
        f"""CREATE TABLE calls (
    position $int PRIMARY KEY,
    occurred_at $time NOT NULL,
    account $int NOT NULL,
    {_SUMS}
)""",
        "CREATE INDEX calls_occurred ON calls (occurred_at)",
        f"""CREATE TABLE daily (
    day $text NOT NULL,
    account $int NOT NULL,
    {_SUMS},
    PRIMARY KEY (day, account)
)$clustered""",
        """CREATE TABLE conflicts (
    number $int PRIMARY KEY,
    id $text NOT NULL,
    kind $text NOT NULL,
    occurred_at $time NOT NULL,
    recorded_at $time NOT NULL,
    source $text NOT NULL,
    corrects $text,
    body $text NOT NULL,
    payload_hash $bytes NOT NULL,
    UNIQUE (id, payload_hash)
)""",
    ),
)
"""From nothing to version 1, from 1 to 2, and so on; each in one transaction. What was released is never edited."""


def version() -> int:
    """Give the version this code reads and writes."""
    return len(MIGRATIONS)


def check_version(found: int, where: str) -> None:
    """Raise BadLedger when the book at `where` is of a newer version than this code knows."""
    if found > version():
        raise BadLedger(
            f"{where} was written by a newer Weighbridge (schema {found}; this one knows up to {version()}). "
            "Run the newer version, or restore a backup made before the upgrade."
        )


def migrate(session: Session, found: int, words: dict[str, str]) -> None:
    """Bring the schema from version `found` to this code's; `words` are the engine's names of types."""
    for number, statements in enumerate(MIGRATIONS[found:], start=found + 1):
        for statement in statements:
            session.rows(Template(statement).substitute(words))
        if number == 1:
            session.rows("INSERT INTO head VALUES (1, 1, 0, 0, 0, ?, 0, ?)", (GENESIS, GENESIS))
        session.rows("UPDATE head SET schema_version = ?", (number,))
