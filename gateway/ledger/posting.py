"""An entry as the stores keep it: checked, hashed, and for a call the account and figures it is summed by."""

from datetime import UTC, datetime

import msgspec

from gateway.ledger.chain import hash_payload
from gateway.ledger.entry import DIMENSIONS, FIGURES, Call, Entry
from gateway.ledger.errors import Unstorable

ENTRY_BYTES_MAX = 2**20  # A call has some 2 KB, the largest evidence (a scenario with its rows) some 100 KB.
ID_CHARACTERS_MAX = 512  # PostgreSQL indexes up to 2,700 bytes; four bytes a character stay below.
NAME_CHARACTERS_MAX = 256  # Twice the longest tag value; models and response ids come from outside and may be longer.
FIGURE_MAX = 10**15  # A million dollars, or 10**15 tokens, in one call; 9,000 such still sum exactly in 64 bits.

ACCOUNT = DIMENSIONS[1:]
"""What makes an account: every dimension but the day."""

Account = tuple[str | None, ...]
Figures = tuple[int, ...]


class Derived(msgspec.Struct, frozen=True):
    """What the stores keep beside a body so that it is found and summed fast; all of it follows from the body.

    Whoever changes what is derived changes what the proof expects of every row there is: that takes a migration.
    The account's values are as the body has them; `kept` makes them fit for a row.
    """

    request_id: str | None
    response_id: str | None = None
    account: Account | None = None
    figures: Figures | None = None


class Posting(msgspec.Struct, frozen=True):
    """One entry, ready to be stored. Times are RFC 3339 in UTC with microseconds, so that they sort as text."""

    id: str
    kind: str
    occurred_at: str
    recorded_at: str
    source: str
    corrects: str | None
    body: str
    payload_hash: bytes
    derived: Derived


def posting_of(entry: Entry) -> Posting:
    """Give the entry as it will be stored; raises Unstorable when no engine could keep it as it is."""
    body = bytes(entry.body)
    try:
        for name in (entry.id, entry.kind, entry.source, entry.corrects or "x"):
            _check_name(name)
        if len(body) > ENTRY_BYTES_MAX:
            raise ValueError(f"its body has {len(body)} bytes; {ENTRY_BYTES_MAX} are the most")
        return Posting(
            id=entry.id,
            kind=entry.kind,
            occurred_at=rfc3339(entry.occurred_at),
            recorded_at=rfc3339(entry.recorded_at),
            source=entry.source,
            corrects=entry.corrects,
            body=body.decode(),
            payload_hash=hash_payload(entry.kind, entry.source, entry.corrects, body),
            derived=derive(entry.kind, entry.source, body),
        )
    except (ValueError, AssertionError) as error:
        raise Unstorable(entry.id, str(error) or "its usage contradicts itself") from error


def derive(kind: str, source: str, body: bytes) -> Derived:
    """Read from a body what it is found and summed by; raises ValueError when it is not the JSON it should be."""
    if kind not in {"call", "attempt"}:
        named = _mentions.decode(body).request_id
        return Derived(indexed(named) if isinstance(named, str) else None)
    call = _call.decode(body)
    return Derived(indexed(call.request_id), indexed(call.response_id), _account(call, source), _figures(kind, call))


def indexed(name: str | None) -> str | None:
    """Give a name as columns and indexes hold it: never empty, no NUL (PostgreSQL has none), of bounded length."""
    return name[:NAME_CHARACTERS_MAX].replace("\0", "\ufffd") if name else None


def rfc3339(moment: datetime) -> str:
    """Write a moment in UTC, always with microseconds; raises ValueError when it has no zone."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError(f"the time {moment.isoformat()} has no zone")
        moment = moment.astimezone(UTC)
    text = _encode(moment)[1:-1].decode()  # A quarter of isoformat's time.
    return text if len(text) == 27 else f"{text[:19]}.000000Z"


def kept(account: Account) -> Account:
    """Give an account as its row is kept."""
    return tuple(map(indexed, account))


class _Mentions(msgspec.Struct):
    """The one field that any other kind of body may share with a call."""

    request_id: object = None


_encode = msgspec.json.Encoder().encode
_call = msgspec.json.Decoder(Call)
_mentions = msgspec.json.Decoder(_Mentions)


def _account(call: Call, source: str) -> Account:
    """Give the call's value in every dimension but the day, in the order of ACCOUNT."""
    tag = call.tags.get
    return (
        tag("team"),
        tag("initiative"),
        tag("application"),
        tag("person"),
        tag("environment"),
        tag("workflow"),
        tag("product"),
        tag("cost_centre"),
        tag("customer"),
        call.key_id,
        call.provider_name,
        call.request_model,
        call.response_model,
        call.operation,
        call.state,
        source,
    )


def _figures(kind: str, call: Call) -> Figures:
    """Give what the call adds to each of FIGURES; raises ValueError for a figure beyond all sense."""
    cost, usage = call.billed_cost, call.usage
    known = cost or 0
    figures = (
        1 if kind == "call" else 0,
        known,
        1 if cost is None else 0,
        known if call.cost_source == "estimated" else 0,
        usage.input_tokens if usage else 0,
        usage.output_tokens if usage else 0,
        usage.cache_read_input_tokens if usage else 0,
        usage.cache_creation_input_tokens if usage else 0,
        usage.reasoning_output_tokens if usage else 0,
    )
    if max(figures) > FIGURE_MAX or min(figures) < -FIGURE_MAX:
        raise ValueError(f"a figure is beyond {FIGURE_MAX}: {dict(zip(FIGURES, figures, strict=True))}")
    return figures


def _check_name(name: str) -> None:
    """Refuse what no index holds or no text column keeps."""
    if not 0 < len(name) <= ID_CHARACTERS_MAX:
        raise ValueError(f"a name has {len(name)} characters; 1 to {ID_CHARACTERS_MAX} fit")
    if "\0" in name:
        raise ValueError("a name holds the character NUL")
    name.encode()
