"""What weighbridge.toml may hold: every key, its default, its range and its sentence; nothing else is taken."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.providers.provider import DialectName

Seconds = Annotated[float, Meta(ge=0.05, le=86_400)]
Text = Annotated[str, Meta(min_length=1, max_length=4096)]
Bytes = Annotated[int, Meta(ge=1024, le=2**30)]


class Server(msgspec.Struct, forbid_unknown_fields=True):
    """Where the gateway listens and how much it takes on."""

    host: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=253,
            description="Address to listen on; other than loopback only when an admin key exists.",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port of the gateway; 0 takes a free one.")] = 8080
    pages_port: Annotated[int, Meta(ge=0, le=65535, description="Port of the pages; 0 takes a free one.")] = 8081
    workers: Annotated[int, Meta(ge=1, le=64, description="Gateway processes; one uses about one core.")] = 1
    body_bytes_max: Annotated[Bytes, Meta(description="Largest request body taken.")] = 32 * 2**20
    answer_bytes_max: Annotated[Bytes, Meta(description="Largest answer taken that is not streamed.")] = 64 * 2**20
    inflight_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Requests in flight in one worker; more are refused at once.")
    ] = 1000
    drains_max: Annotated[
        int, Meta(ge=0, le=100_000, description="Answers read to their end after their client left, in one worker.")
    ] = 256
    on_client_gone: Annotated[
        Literal["drain", "stop"],
        Meta(description="Read an abandoned answer to its end for its usage, or stop and book a marked estimate."),
    ] = "drain"
    drain_timeout_s: Annotated[float, Meta(ge=0, le=3600, description="How long an abandoned answer is read on.")] = (
        30.0
    )
    log_calls: Annotated[bool, Meta(description="Write one log line for each call, at its end.")] = True


class Data(msgspec.Struct, forbid_unknown_fields=True):
    """Where the files are."""

    dir: Annotated[Text, Meta(description="Folder of journal, ledger file and pepper; relative to this file.")] = (
        "weighbridge-data"
    )


class Journal(msgspec.Struct, forbid_unknown_fields=True):
    """The durable log that every call is written to before it is answered."""

    durability: Annotated[
        Literal["process", "group", "strict"],
        Meta(description="What an answered call survives: a killed process, a lost machine, or that for each call."),
    ] = "group"
    group_ms: Annotated[int, Meta(ge=1, le=1000, description="How long records wait for one common fsync.")] = 20
    segment_bytes: Annotated[int, Meta(ge=2**20, le=2**32, description="Size at which a new segment file begins.")] = (
        64 * 2**20
    )
    retention_s: Annotated[
        int, Meta(ge=3600, le=10 * 366 * 86_400, description="How long shipped segments are kept.")
    ] = 7 * 86_400


class Ledger(msgspec.Struct, forbid_unknown_fields=True):
    """The book."""

    url: Annotated[
        Text, Meta(description='"sqlite" for a file in the data folder, "sqlite:/path", or "postgresql://...".')
    ] = "sqlite"


class Tags(msgspec.Struct, forbid_unknown_fields=True):
    """How what clients say about a call becomes dimensions."""

    locked_dimensions: Annotated[
        tuple[str, ...], Meta(max_length=64, description="Dimensions a client cannot set; the key's value holds.")
    ] = ("team", "cost_centre")
    aliases: Annotated[
        dict[str, str], Meta(max_length=256, description="Your words for dimensions; they go before the built-in ones.")
    ] = {}


class Initiatives(msgspec.Struct, forbid_unknown_fields=True):
    """What becomes of a call whose initiative is missing, unknown or closed."""

    unknown: Annotated[
        Literal["allow", "flag", "deny"], Meta(description="Book it as it is, flag it, or refuse the call.")
    ] = "allow"
    pattern: Annotated[
        str, Meta(min_length=1, max_length=200, description="How an initiative looks inside a branch name.")
    ] = r"[A-Z][A-Z0-9]+-\d+"


class Prices(msgspec.Struct, forbid_unknown_fields=True):
    """Where prices come from beside the bundled list."""

    overrides: Annotated[Text | None, Meta(description="File with your own prices; relative to this file.")] = None
    unknown: Annotated[
        Literal["allow", "deny"],
        Meta(description="A model without a price: book its tokens and leave its money unknown, or refuse it."),
    ] = "allow"


class ProviderTable(msgspec.Struct, forbid_unknown_fields=True):
    """One upstream."""

    base_url: Annotated[str, Meta(min_length=1, max_length=2048, description="Where it is, without /v1.")]
    dialects: Annotated[
        tuple[DialectName, ...], Meta(min_length=1, max_length=3, description="The dialects it speaks.")
    ] = ("openai",)
    api_key: Annotated[Text | None, Meta(description='Its key, only as "${NAME}" or "${file:path}".')] = None
    models: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...],
        Meta(min_length=1, max_length=1000, description="Models it serves, as globs."),
    ] = ("*",)
    priced_as: Annotated[
        Text | None, Meta(description="Provider in the price list whose prices it has; its own name by default.")
    ] = None
    private_network: Annotated[
        bool, Meta(description="It is on a private network: loopback and http:// are then allowed.")
    ] = False
    headers: Annotated[dict[str, str], Meta(max_length=32, description="Headers added to each request.")] = {}
    retries: Annotated[int, Meta(ge=0, le=10, description="Further tries after one that cannot have been billed.")] = 2
    connections_max: Annotated[int, Meta(ge=1, le=10_000, description="Connections of one worker.")] = 256
    connect_timeout_s: Annotated[Seconds, Meta(description="Wait for a connection.")] = 5.0
    head_timeout_s: Annotated[Seconds, Meta(description="Wait for the head of the answer.")] = 600.0
    idle_timeout_s: Annotated[Seconds, Meta(description="Longest silence inside an answer.")] = 120.0
    total_timeout_s: Annotated[Seconds, Meta(description="Longest answer, from request to last byte.")] = 1800.0


class ModelTable(msgspec.Struct, forbid_unknown_fields=True):
    """A model name of your own."""

    targets: Annotated[
        tuple[Annotated[str, Meta(max_length=265)], ...],
        Meta(min_length=1, max_length=8, description='"provider/model", tried in this order.'),
    ]
    aliases: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...],
        Meta(max_length=64, description="Other names it is called by."),
    ] = ()


class File(msgspec.Struct, forbid_unknown_fields=True):
    """The whole of weighbridge.toml."""

    server: Server = msgspec.field(default_factory=Server)
    data: Data = msgspec.field(default_factory=Data)
    journal: Journal = msgspec.field(default_factory=Journal)
    ledger: Ledger = msgspec.field(default_factory=Ledger)
    tags: Tags = msgspec.field(default_factory=Tags)
    initiatives: Initiatives = msgspec.field(default_factory=Initiatives)
    prices: Prices = msgspec.field(default_factory=Prices)
    providers: Annotated[dict[str, ProviderTable], Meta(max_length=256)] = {}
    models: Annotated[dict[str, ModelTable], Meta(max_length=10_000)] = {}


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of weighbridge.toml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(File)}
