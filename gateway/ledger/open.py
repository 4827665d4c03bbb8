"""Opens the book that a URL names; each thing that can be wrong has its own sentence."""

from pathlib import Path

from gateway.ledger.entry import Ledger
from gateway.ledger.errors import BadLedger
from gateway.ledger.sqlite import open_sqlite

FILE_NAME = "ledger.sqlite"
FORMS = '"sqlite", "sqlite:/path/to/file" or "postgresql://user@host:5432/database"'


def open_ledger(url: str, data_dir: Path) -> Ledger:
    """Give the ledger at `url`, made or migrated when that is due.

    "sqlite" is `data_dir`/ledger.sqlite, "sqlite:/path" another file, "postgresql://..." a PostgreSQL database.
    Raises BadLedger when a person must act, LedgerDown when the store is away.
    """
    scheme, _, rest = url.partition(":")
    if url == "sqlite":
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadLedger(f"The data directory {data_dir} cannot be made: {error.strerror}.") from error
        return open_sqlite(data_dir / FILE_NAME)
    if scheme == "sqlite":
        return open_sqlite(_path(rest))
    if scheme in {"postgresql", "postgres"}:
        return _open_postgres(url)
    # The URL may hold a password: only its scheme is shown.
    raise BadLedger(f"The ledger's URL begins with {scheme[:20]!r}; there are {FORMS}.")


def _path(rest: str) -> Path:
    """Read what follows "sqlite:", with or without an empty authority."""
    path = Path(rest.removeprefix("//")) if rest.startswith("///") else Path(rest)
    if not path.is_absolute() or (rest.startswith("//") and not rest.startswith("///")):
        raise BadLedger(f"The ledger's URL names {rest!r}, which is no absolute path; there are {FORMS}.")
    return path


def _open_postgres(url: str) -> Ledger:
    """Load the driver only now: a gateway with SQLite needs none."""
    try:
        from gateway.ledger.postgres import open_postgres
    except ImportError as error:
        raise BadLedger("A PostgreSQL ledger needs the package psycopg: install weighbridge's requirements.") from error
    return open_postgres(url)
