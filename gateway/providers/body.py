"""One strict parse of a request body: what policy reads is all that a provider can read."""

import json
from collections.abc import Mapping

import msgspec

from gateway.errors import BadBody

DEPTH_MAX = 64
"""Levels of nesting: deeper than any tool schema seen, far below where parsers give up."""

NODES_MAX = 100_000
"""JSON values in one body; embeddings of token arrays are given more."""

WHOLE_MAX = 2**31 - 1
"""The largest count that every provider's 32-bit integer holds."""

_NOT_PLAIN = "field names must be plain ASCII without escapes"
_NODE_BYTES = 2
"""A value and its comma: no body has more values than half its bytes."""

NULL = msgspec.Raw(b"null")

_top = msgspec.json.Decoder(dict[str, msgspec.Raw])
_whole = msgspec.json.Decoder(int)
_text = msgspec.json.Decoder(str)
_flag = msgspec.json.Decoder(bool)
_elements = msgspec.json.Decoder(list[msgspec.Raw])


def read_object(body: bytes, *, nodes_max: int = NODES_MAX) -> dict[str, msgspec.Raw]:
    """Give the top-level fields of a JSON object that can be read in one way only; raises BadBody.

    UTF-8 without a byte order mark, at most DEPTH_MAX levels and `nodes_max` values, no field twice,
    field names in plain ASCII without escapes. The values are kept as they were written.
    """
    if body[:3] == b"\xef\xbb\xbf":
        raise BadBody("body starts with a byte order mark; send plain UTF-8")
    _bound_nodes(body, nodes_max)
    try:
        body.decode()
        fields = _top.decode(body)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise BadBody(f"body {_why(error)}") from error
    if _opened(body, DEPTH_MAX) > DEPTH_MAX:
        for raw in fields.values():
            _bound_depth(bytes(raw), DEPTH_MAX - 1)
    if _compact_bytes(fields) != len(body):
        fields = _without_spaces(body)
    if not "".join(fields).isascii():
        raise BadBody(_NOT_PLAIN)
    return fields


def nested(fields: dict[str, msgspec.Raw], name: str) -> dict[str, msgspec.Raw]:
    """Read an object inside the body under the same rules and write it back as it was read.

    Empty when the field is absent or null. What is written back can be read in one way only.
    """
    raw = fields.get(name)
    if raw is None or raw == NULL:
        return {}
    text = bytes(raw)
    if text[:1] != b"{":
        raise BadBody(f"{name} must be an object")
    try:
        inner = _top.decode(text)
        if _compact_bytes(inner) != len(text):
            inner = _without_spaces(text)
    except BadBody as error:
        raise BadBody(f"{name}: {error}") from error
    fields[name] = encode(inner)
    return inner


def whole(fields: Mapping[str, msgspec.Raw], name: str, *, low: int = 1, high: int = WHOLE_MAX) -> int | None:
    """Give a whole number written as digits, `low` to `high`; None when absent or null."""
    raw = fields.get(name)
    if raw is None or raw == NULL:
        return None
    text = bytes(raw)
    # An integral float such as 1e3 is read as a number by one provider and refused by the next.
    if text.isdigit() and len(text) <= len(str(WHOLE_MAX)):
        value = _whole.decode(text)
        if low <= value <= high:
            return value
    raise BadBody(f"{name} must be a whole number from {low} to {high}, not {_shown(text)}")


def text(fields: Mapping[str, msgspec.Raw], name: str, *, chars_max: int = 4096) -> str | None:
    """Give a string; None when absent or null."""
    raw = fields.get(name)
    if raw is None or raw == NULL:
        return None
    try:
        value = _text.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(f"{name} must be a string, not {_shown(bytes(raw))}") from error
    if len(value) > chars_max:
        raise BadBody(f"{name} is longer than {chars_max} characters")
    return value


def flag(fields: Mapping[str, msgspec.Raw], name: str) -> bool:
    """Give true or false; false when absent or null."""
    raw = fields.get(name)
    if raw is None or raw == NULL:
        return False
    try:
        return _flag.decode(raw)
    except msgspec.DecodeError as error:
        raise BadBody(f"{name} must be true or false, not {_shown(bytes(raw))}") from error


def texts(fields: Mapping[str, msgspec.Raw]) -> dict[str, str]:
    """Give the fields that are strings; the others are the provider's affair."""
    return {name: _text.decode(raw) for name, raw in fields.items() if bytes(raw)[:1] == b'"'}


def model_name(fields: Mapping[str, msgspec.Raw]) -> str:
    """Give the model the body asks for; raises BadBody when it names none that can be printed."""
    name = text(fields, "model", chars_max=256)
    if not name:
        raise BadBody("model is missing")
    if not name.isprintable() or name != name.strip():
        raise BadBody("model has characters that no model name has")
    return name


def elements(raw: msgspec.Raw, where: str) -> list[msgspec.Raw]:
    """Give the members of an array as they were written."""
    try:
        return _elements.decode(raw)
    except msgspec.DecodeError as error:
        raise BadBody(f"{where} must be an array") from error


def encode_text(text: str) -> msgspec.Raw:
    """Write a string."""
    return msgspec.Raw(msgspec.json.encode(text))


def encode(fields: Mapping[str, msgspec.Raw]) -> msgspec.Raw:
    """Write fields as one object, each once, without spaces between them."""
    return msgspec.Raw(msgspec.json.encode(fields))


def _compact_bytes(fields: Mapping[str, msgspec.Raw]) -> int:
    """Give the length of the object if each field is written once, plainly and without spaces.

    A second field of the same name, an escape in a name or a space makes what was sent longer.
    """
    if not fields:
        return 2
    total = 1 + 4 * len(fields)
    for name, raw in fields.items():
        total += len(raw) + (len(name) if name.isascii() else len(name.encode()))
    return total


def _without_spaces(body: bytes) -> dict[str, msgspec.Raw]:
    """Take the spaces out and look again; what is still too long says something twice or in disguise."""
    compact = msgspec.json.format(body, indent=-1)
    fields = _top.decode(compact)
    if _compact_bytes(fields) != len(compact):
        raise BadBody(_disguise(compact))
    return fields


def _disguise(compact: bytes) -> str:
    """Say which field is there twice, or that a name is not plain."""
    pairs: list[tuple[str, object]] = json.loads(compact, object_pairs_hook=list, parse_int=str)
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return f"field {name[:64]!a} is given twice"
        seen.add(name)
    return _NOT_PLAIN


def _bound_nodes(body: bytes, nodes_max: int) -> None:
    """Refuse a body with too many values before any of them is made; most are cleared by their length."""
    if len(body) <= _NODE_BYTES * nodes_max or _times(body, b",", nodes_max) + _opened(body, nodes_max) < nodes_max:
        return
    skeleton = _skeleton(body)
    if skeleton.count(b",") + skeleton.count(b"[") + skeleton.count(b"{") >= nodes_max:
        raise BadBody(f"body holds more than {nodes_max} values")


def _bound_depth(value: bytes, levels: int) -> None:
    """Refuse a value nested deeper than `levels`."""
    if _opened(value, levels) <= levels:
        return
    if value[:1] == b"[" and levels == DEPTH_MAX - 1:
        # Long conversations and tool lists: many members, each of them shallow.
        for member in _elements.decode(value):
            _bound_depth(bytes(member), levels - 1)
        return
    brackets = _skeleton(value).translate(_AS_SQUARE, b",")
    for _ in range(levels):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise BadBody(f"body is nested deeper than {DEPTH_MAX} levels")


def _opened(text: bytes, most: int) -> int:
    """Count opening brackets, those inside strings too, up to a little over `most`."""
    return _times(text, b"[", most) + _times(text, b"{", most)


def _times(text: bytes, byte: bytes, most: int) -> int:
    """Count a byte, stopping at one more than `most`; replace() finds by memchr, count() does not."""
    return len(text) - len(text.replace(byte, b"", most + 1))


def _skeleton(value: bytes) -> bytes:
    """Give the brackets and commas of valid JSON that stand outside strings."""
    bare = value.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_STRUCTURE)
    # Two quotes with nothing between them leave every other byte inside or outside as it was.
    return b"".join(bare.replace(b'""', b"").split(b'"')[::2])


_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'[]{},"')
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")


def _shown(text: bytes) -> str:
    """Give the start of what was written, for a message."""
    return text[:32].decode("ascii", "backslashreplace")


def _why(error: Exception) -> str:
    """Say what is wrong and where, in the words of one sentence."""
    match error:
        case RecursionError():
            return f"is nested deeper than {DEPTH_MAX} levels"
        case UnicodeDecodeError():
            return f"is not valid UTF-8 at byte {error.start}"
        case msgspec.ValidationError():
            return "must be a JSON object"
    return f"is not valid JSON: {error}".replace("JSON is malformed: ", "")
