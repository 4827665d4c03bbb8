"""Makes the bundled price list from two source files: a maintainer's command, reviewed as data, never run at start."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.prices.crosscheck import Settled, settle
from gateway.prices.disagreements import DISAGREEMENTS, Disagreement, compare, disagreements_bytes
from gateway.prices.echo_prices import ORIGIN, echo_listings
from gateway.prices.history import PERCENT_MAX, Jump, carry_on
from gateway.prices.listing import ALWAYS, Skipped
from gateway.prices.rates import sku, usd, write_rate
from gateway.prices.snapshot import SNAPSHOT, Origin, Row, read_snapshot, rows_of, snapshot_bytes
from gateway.prices.sources import MODELS_MIN, Sources, read_sources
from gateway.settings import BadSettings

JUMPS_SHOWN = 20
"""Lines of an error message that a person still reads."""

ECHO = Origin(ORIGIN, "", "", "")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made: how many rows, which of them are new, where sources disagree and what has no price."""

    path: Path
    rows: int
    added: tuple[Row, ...]
    jumps: tuple[Jump, ...]
    disagreements: tuple[Disagreement, ...]
    skipped: tuple[Skipped, ...]


def import_prices(
    sources: Sources,
    *,
    accept: bool = False,
    into: Path = SNAPSHOT,
    disagreements: Path = DISAGREEMENTS,
    models_min: int = MODELS_MIN,
) -> Imported:
    """Write the price list and the list of disagreements; what was in force before stays as it was.

    Raises BadSettings, with nothing written, for a source that cannot be right, and without `accept` for a
    price that moves by more than `PERCENT_MAX` percent.
    """
    said = read_sources(sources, models_min=models_min)
    as_of = sources.as_of.isoformat()
    earlier = read_snapshot(into) if into.exists() else None
    codes = _codes(earlier.header.sources if earlier else {}, {"l": said.litellm, "g": said.genai, "e": ECHO})
    differing: list[Disagreement] = []
    fresh = [_row(Settled(listing, (ORIGIN,)), codes) for listing in echo_listings()]
    for known in said.known:
        rows = settle(known, sources.as_of)
        fresh += (_row(row, codes) for row in rows)
        if known.litellm and known.genai:
            differing += compare(known, rows, as_of)
    carried = carry_on(rows_of(earlier) if earlier else (), fresh, as_of)
    if carried.jumps and not accept:
        raise BadSettings(_held(carried.jumps))
    into.write_bytes(snapshot_bytes(carried.rows, as_of, codes))
    disagreements.write_bytes(disagreements_bytes(differing))
    return Imported(into, len(carried.rows), carried.added, carried.jumps, tuple(differing), said.skipped)


def _codes(earlier: Mapping[str, Origin], now: Mapping[str, Origin]) -> dict[str, Origin]:
    """Give every source a short code, "l1", "l2": a new version of a file is a new source."""
    codes = dict(earlier)
    for letter, origin in now.items():
        if origin not in codes.values():
            codes[f"{letter}{1 + sum(code.startswith(letter) for code in codes)}"] = origin
    return codes


def _row(settled: Settled, codes: Mapping[str, Origin]) -> Row:
    """Write one settled price as a row."""
    newest = {origin.name: code for code, origin in codes.items()}
    first, *others = (newest[name] for name in settled.sources)
    if settled.rule:
        source = f"{first}>{others[0]}:{settled.rule}"
    else:
        source = "=".join((first, *others))
    one = settled.listing
    return Row(
        provider_name=one.provider_name,
        model=one.model,
        effective_from="" if one.effective_from == ALWAYS else one.effective_from.isoformat(),
        source=source,
        rates={sku(rate): write_rate(rate) for rate in one.rates},
        max_input_tokens=one.max_input_tokens,
        max_output_tokens=one.max_output_tokens,
        hours=one.hours,
    )


def _held(jumps: Iterable[Jump]) -> str:
    """Say which prices moved too far, and what to do."""
    jumps = tuple(jumps)
    lines = [
        f"  {jump.row.provider_name}/{jump.row.model} {change.sku}: "
        f"{usd(change.before) if change.before else 'none'} -> {usd(change.after) if change.after else 'none'} USD"
        for jump in jumps[:JUMPS_SHOWN]
        for change in jump.changes
    ]
    more = f"\n  and {len(jumps) - JUMPS_SHOWN} more" if len(jumps) > JUMPS_SHOWN else ""
    return (
        f"{len(jumps)} prices would move by more than {PERCENT_MAX} %:\n" + "\n".join(lines) + more + "\n"
        "Nothing was written. Look at them, and run the import again with --accept if they are right."
    )
