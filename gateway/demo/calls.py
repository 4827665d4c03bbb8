"""Makes the demo's calls: usage, charge lines at the real prices, tags and an end, as the gateway would book them."""

import random
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from gateway.demo.company import TEAMS, UNKNOWN_INITIATIVE, Model, Work
from gateway.demo.rhythm import drawn, model_for
from gateway.ledger.entry import Call, CostSource, Entry, State
from gateway.prices.book import PriceBook
from policies.pricing import Charge, Price, Unpriced, charge, total
from policies.usage import Usage

SOURCE = "demo"
CUT_PER_MILLE, ESTIMATED_PER_MILLE, REFUSED_PER_MILLE = 1, 6, 4
"""Of a thousand calls on a good day: cut before usage was known, counted by ourselves, refused by the provider."""

BAD_HOURS = range(9, 15)
"""On the bad day a provider refuses most calls in these hours and cuts some."""

_COST_CENTRES = {team.id: team.cost_centre for team in TEAMS}
_encode = msgspec.json.Encoder().encode


class Ending(NamedTuple):
    """How a call ends."""

    state: State
    status: int
    reason: str | None = None


SETTLED = Ending("settled", 200)
REFUSED = Ending("voided", 529, "upstream_529")
CUT = Ending("uncertain", 502, "reset")
ESTIMATED = Ending("estimated", 200, "no_usage")


class Day(NamedTuple):
    """What is special about a day."""

    dear: bool
    bad: bool


class Caller(NamedTuple):
    """Who makes a stream's calls: its key and the pseudonyms of its people."""

    key_id: str
    people: tuple[str, ...]
    closed: frozenset[str]


class Happening(NamedTuple):
    """One call before it is priced and tagged."""

    request_id: str
    at: datetime
    duration_ms: int
    model: Model
    ending: Ending
    usage: Usage | None


def call_entry(work: Work, caller: Caller, at: datetime, day: Day, book: PriceBook, chance: random.Random) -> Entry:
    """Give one call of a stream at a moment, as the entry the gateway would have written."""
    model = model_for(work, chance, dear=day.dear)
    ending = _ending(model, at, day, chance)
    usage = _usage(work, model, chance) if ending.state in {"settled", "estimated"} else None
    duration_ms = 300 + int(chance.random() * 900) + (usage.output_tokens * 9 if usage else 0)
    happening = Happening(_request_id(at, chance), at, duration_ms, model, ending, usage)
    return Entry(
        id=f"{happening.request_id}:call",
        kind="call",
        occurred_at=at,
        recorded_at=at + timedelta(milliseconds=duration_ms),
        source=SOURCE,
        body=msgspec.Raw(_encode(_call(work, caller, happening, book, chance))),
    )


def _call(work: Work, caller: Caller, happening: Happening, book: PriceBook, chance: random.Random) -> Call:
    request_id, at, duration_ms, model, ending, usage = happening
    price = book.find(model.provider_name, model.name, at)
    lines = _charges(usage, price)
    cost, source = _cost(ending, lines)
    is_priced = not isinstance(lines, Unpriced)
    is_bounded = source in {"estimated", "unknown"} and is_priced
    tags, sources, status = _tags(work, caller, chance)
    return Call(
        request_id=request_id,
        state=ending.state,
        operation=model.operation,
        dialect=model.dialect,
        provider_name=model.provider_name,
        request_model=model.name,
        status=ending.status,
        response_model=model.name if usage else None,
        response_id=f"resp_{request_id[4:]}" if usage else None,
        streamed=work.client is not None,
        reason=ending.reason,
        duration_ms=duration_ms,
        upstream_ms=duration_ms - 1,
        usage=usage,
        charges=() if isinstance(lines, Unpriced) else lines,
        billed_cost=cost,
        cost_source=source,
        cost_lower=0 if is_bounded else None,
        cost_upper=_upper(work, cost) if is_bounded else None,
        price_version=price.version if price else None,
        key_id=caller.key_id,
        tags=tags,
        tag_sources=sources,
        initiative_status=status,
        client=work.client,
        input_bytes=4 * (usage.input_tokens if usage else work.input_tokens),
        output_bytes=4 * usage.output_tokens if usage else 0,
        flags=() if is_priced else ("price_unknown",),
    )


def _charges(usage: Usage | None, price: Price | None) -> tuple[Charge, ...] | Unpriced:
    """Price what was used, if anything was."""
    if usage is None:
        return ()
    return charge(usage, price) if price else Unpriced(())


def _ending(model: Model, at: datetime, day: Day, chance: random.Random) -> Ending:
    """Say how a call ends: mostly well; on the bad day mostly not."""
    draw = int(chance.random() * 1000)
    if day.bad and at.hour in BAD_HOURS and model.provider_name == "anthropic":
        return REFUSED if draw < 780 else CUT if draw < 900 else SETTLED
    if draw < REFUSED_PER_MILLE:
        return REFUSED
    if draw < REFUSED_PER_MILLE + CUT_PER_MILLE:
        return CUT
    if draw < REFUSED_PER_MILLE + CUT_PER_MILLE + ESTIMATED_PER_MILLE and model.operation != "embeddings":
        return ESTIMATED
    return SETTLED


def _usage(work: Work, model: Model, chance: random.Random) -> Usage:
    """Give what a call used: sizes around the typical, with a long tail."""
    count = max(int(work.input_tokens * _size(chance)), 8)
    if model.operation == "embeddings":
        return Usage(input_tokens=count)
    output = max(int(work.output_tokens * _size(chance)), 4)
    # One prompt in ten is new to the cache.
    is_known = work.cached and chance.random() > 0.1
    read = count * min(work.cached + int(chance.random() * 17) - 8, 95) // 100 if is_known else 0
    written = (count - read) // 2 if model.dialect == "anthropic" and work.cached else 0
    return Usage(
        input_tokens=count,
        output_tokens=output,
        cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
        reasoning_output_tokens=output * work.reasoning // 100 if model.dialect != "anthropic" else 0,
    )


def _size(chance: random.Random) -> float:
    """Give a size against the typical: mostly near it, sometimes four times as large."""
    return 0.45 + 0.7 * chance.random() + 3.0 * chance.random() ** 12


def _cost(ending: Ending, lines: tuple[Charge, ...] | Unpriced) -> tuple[int | None, CostSource]:
    """Give the cost and where it comes from; what is not known is None, never 0."""
    match ending.state:
        case "voided":
            return 0, "none"
        case "uncertain":
            return None, "unknown"
        case _ if isinstance(lines, Unpriced):
            return None, "unknown"
        case "estimated":
            return total(lines), "estimated"
        case _:
            return total(lines), "computed"


def _upper(work: Work, cost: int | None) -> int:
    """Bound what a call may have cost: three times what was counted, or a dollar's worth for a large one."""
    return 3 * cost if cost else max(work.input_tokens, 10_000) * 10_000


def _tags(work: Work, caller: Caller, chance: random.Random) -> tuple[dict[str, str], dict[str, str], str]:
    """Give a call's tags, where each came from, and how its initiative stands."""
    tags = {"team": work.team, "cost_centre": _COST_CENTRES[work.team], "application": work.application}
    sources = dict.fromkeys(tags, "key_default")
    tags["environment"], sources["environment"] = work.environment, "app_default"
    if work.workflow:
        tags["workflow"], sources["workflow"] = work.workflow, "header"
    if caller.people:
        tags["person"], sources["person"] = caller.people[int(chance.random() * len(caller.people))], "header"
    initiative = drawn(work.initiatives, chance)
    if initiative is None:
        return tags, sources, "none"
    tags["initiative"], sources["initiative"] = initiative, "branch" if caller.people else "header"
    if initiative == UNKNOWN_INITIATIVE:
        return tags, sources, "unknown"
    return tags, sources, "closed" if initiative in caller.closed else "ok"


def _request_id(at: datetime, chance: random.Random) -> str:
    """Give a UUIDv7 of this moment, as the gateway's ids are, with chance from the seed."""
    milliseconds = int(at.timestamp() * 1000)
    bits = chance.getrandbits(74)
    return (
        f"req_{(milliseconds << 80) | (0x7 << 76) | ((bits >> 62) << 64) | (0b10 << 62) | (bits & (1 << 62) - 1):032x}"
    )
