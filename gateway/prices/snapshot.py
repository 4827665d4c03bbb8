"""The bundled price list: one line a row, sorted, checksummed, and decoded only where it is looked at."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec

from gateway.prices.rates import read_rate, sku
from gateway.settings import BadSettings
from policies.pricing import Price

SNAPSHOT = Path(__file__).with_name("snapshot.jsonl")
SNAPSHOT_BYTES_MAX = 8 * 2**20
"""Ten times what both sources come to today; more is not a price list."""

ALWAYS = "1970-01-01"
"""What a row without a date of its own shows: nobody knows when its price began."""

FREE_PROVIDERS = ("echo", "lemonade", "ollama")
"""Providers that run on one's own machine: their zeros are prices. Elsewhere zeros alone are an omission."""

HASH_DIGITS = 12
"""Enough of a hash to tell every row ever written from every other."""

_Minute = Annotated[int, msgspec.Meta(ge=0, le=7 * 24 * 60)]
_Day = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")]


class Origin(msgspec.Struct, frozen=True):
    """One file that prices were read from."""

    name: str
    version: str
    file: str
    sha256: str


class Header(msgspec.Struct, frozen=True):
    """The first line: the day the sources were read, the sources, and the number and hash of the lines below."""

    as_of: str
    rows: int
    sha256: str
    sources: dict[str, Origin]


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One line below: a model's price from a day on, midnight UTC.

    `source` is one code, two codes that agree ("l1=g1"), or one that was taken and another that differs, with
    the rule ("g1>l1:moved_on"). `rates` are nano-dollars for the meter's usual units, or with their units.
    """

    provider_name: str
    model: str
    effective_from: _Day
    source: str
    rates: dict[str, int | tuple[int, int]]
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    hours: tuple[tuple[_Minute, _Minute], ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A price list in memory: its lines as they stand in the file."""

    header: Header
    lines: tuple[bytes, ...]

    @property
    def version(self) -> str:
        """Name this list: the day its sources were read and its hash."""
        return f"{self.header.as_of}-{self.header.sha256[:HASH_DIGITS]}"

    def prices(self, provider_name: str, model: str) -> tuple[Price, ...]:
        """Give every row of one model, in the order of their dates."""
        prefix = key_of(provider_name, model)
        first = bisect_left(self.lines, prefix)
        found: list[Price] = []
        for at in range(first, len(self.lines)):
            if not self.lines[at].startswith(prefix):
                break
            found.append(self.price(self.lines[at]))
        return tuple(found)

    def names(self) -> Iterator[tuple[str, str]]:
        """Give every provider and model, in order, those with several rows several times."""
        for line in self.lines:
            row = _row.decode(line)
            yield row.provider_name, row.model

    def names_after(self, provider_name: str, start: str) -> Iterator[str]:
        """Give the models of a provider whose names begin with `start`, in order."""
        prefix = key_of(provider_name, start)[:-2]
        previous = None
        for at in range(bisect_left(self.lines, prefix), len(self.lines)):
            if not self.lines[at].startswith(prefix):
                return
            model = _row.decode(self.lines[at]).model
            if model != previous:
                yield model
            previous = model

    def price(self, line: bytes) -> Price:
        """Decode one line."""
        row = _row.decode(line)
        return Price(
            provider_name=row.provider_name,
            model=row.model,
            version=f"list-{sha256(line).hexdigest()[:HASH_DIGITS]}",
            source=described(row.source, self.header.sources),
            effective_from=row.effective_from or ALWAYS,
            rates=tuple(read_rate(name, value) for name, value in row.rates.items()),
            max_input_tokens=row.max_input_tokens,
            max_output_tokens=row.max_output_tokens,
            hours=row.hours,
        )


def read_snapshot(path: Path = SNAPSHOT) -> Snapshot:
    """Read and check a price list; raises BadSettings, and a price list that was good stays in use."""
    try:
        if path.stat().st_size > SNAPSHOT_BYTES_MAX:
            raise BadSettings(f"{path}: a price list has at most {SNAPSHOT_BYTES_MAX} bytes.")
        first, _, rest = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise BadSettings(f"{path}: the price list cannot be read: {error.strerror}.") from error
    advice = "Put the file of the release back, or make it again with `weighbridge price import`."
    try:
        header = _header.decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path}:1: this is no price list: {error}. {advice}") from error
    if sha256(rest).hexdigest() != header.sha256:
        raise BadSettings(f"{path}: the rows are not those that were written: their hash differs. {advice}")
    lines = tuple(rest.split(b"\n")[:-1])
    names: set[str] = set()
    for number, line in enumerate(lines, 2):
        try:
            row = _row.decode(line)
            _check(row, header)
            for name, value in row.rates.items():
                # A name that was read before is known; msgspec bounds no numbers inside a union without crashing.
                if name not in names or not isinstance(value, int) or value < 0:
                    names.add(sku(read_rate(name, value)))
        except (ValueError, UnicodeDecodeError) as error:
            raise BadSettings(f"{path}:{number}: {error}. {advice}") from error
    if len(lines) != header.rows or any(a >= b for a, b in pairwise(lines)):
        raise BadSettings(f"{path}: the rows are not as many as the first line says, or not in order. {advice}")
    return Snapshot(header, lines)


def snapshot_bytes(rows: Iterable[Row], as_of: str, sources: Mapping[str, Origin]) -> bytes:
    """Write a price list; the same rows always give the same bytes."""
    lines = sorted(_line(row) for row in rows)
    rest = b"".join(line + b"\n" for line in lines)
    header = Header(as_of, len(lines), sha256(rest).hexdigest(), dict(sorted(sources.items())))
    return msgspec.json.encode(header) + b"\n" + rest


def rows_of(snapshot: Snapshot) -> tuple[Row, ...]:
    """Decode every line."""
    return tuple(_row.decode(line) for line in snapshot.lines)


def key_of(provider_name: str, model: str) -> bytes:
    """Give what every line of a model begins with."""
    return msgspec.json.encode((provider_name, model))[:-1] + b","


def starts_at(day: str) -> datetime:
    """Give the instant a day begins, UTC."""
    return datetime.fromisoformat(day or ALWAYS).replace(tzinfo=UTC)


def described(source: str, sources: Mapping[str, Origin]) -> str:
    """Say in words where a row comes from."""
    said = {code: f"{origin.name} {origin.version}".strip() for code, origin in sources.items()}
    if "=" in source:
        return " and ".join(said[code] for code in source.split("=")) + " agree"
    taken, _, rest = source.partition(">")
    other, _, rule = rest.partition(":")
    return f"{said[taken]}, not {said[other]} ({rule})" if other else said[taken]


def _line(row: Row) -> bytes:
    """Encode a row without the empty fields at its end."""
    fields = list(msgspec.structs.astuple(row))
    while fields[-1] in (None, ()):
        fields.pop()
    return msgspec.json.encode(fields)


def _check(row: Row, header: Header) -> None:
    """Refuse what no price list holds; raises ValueError."""
    if not any(row.rates.values()) and row.provider_name not in FREE_PROVIDERS:
        raise ValueError(f"{row.provider_name}/{row.model} costs nothing at all, which is an omission and no price")
    if row.source.partition(":")[0].replace("=", ">").split(">")[0] not in header.sources:
        raise ValueError(f'"{row.source}" is no source of this list')
    if row.effective_from:
        starts_at(row.effective_from)


_row = msgspec.json.Decoder(Row)
_header = msgspec.json.Decoder(Header)
