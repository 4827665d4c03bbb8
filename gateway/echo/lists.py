"""What the echo answers where nothing is generated: lists of models, and vectors made from a text's hash."""

import base64
import hashlib
import math
import struct

from gateway.echo.answer import tokens
from gateway.echo.ask import BadAsk
from gateway.echo.faults import NAMES
from gateway.echo.speech import Tree

VECTOR_LENGTH = 1_536
VECTOR_LENGTH_MAX = 4_096
INPUTS_MAX = 2_048
"""As OpenAI bounds a request of embeddings."""

CREATED = "2026-01-01T00:00:00Z"


def openai_models() -> Tree:
    """List the models as OpenAI does."""
    return {"object": "list", "data": [openai_model(name) for name in NAMES]}


def openai_model(name: str) -> Tree:
    """Describe one model as OpenAI does."""
    return {"id": name, "object": "model", "created": 1_767_225_600, "owned_by": "weighbridge-echo"}


def anthropic_models() -> Tree:
    """List the models as Anthropic does."""
    models = [anthropic_model(name) for name in NAMES]
    return {"data": models, "has_more": False, "first_id": NAMES[0], "last_id": NAMES[-1]}


def anthropic_model(name: str) -> Tree:
    """Describe one model as Anthropic does."""
    return {"type": "model", "id": name, "display_name": name, "created_at": CREATED}


def gemini_models() -> Tree:
    """List the models as Gemini does."""
    return {"models": [gemini_model(name) for name in NAMES]}


def gemini_model(name: str) -> Tree:
    """Describe one model as Gemini does."""
    methods = ["generateContent", "countTokens"]
    limits = {"inputTokenLimit": 1_000_000, "outputTokenLimit": 65_536}
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods} | limits


def embeddings(body: Tree) -> Tree:
    """Answer a request of embeddings: the same text has the same vector, of length one. Raises BadAsk."""
    texts = _inputs(body.get("input"))
    length = body.get("dimensions", VECTOR_LENGTH)
    if not isinstance(length, int) or not 1 <= length <= VECTOR_LENGTH_MAX:
        raise BadAsk(f"dimensions must be a whole number from 1 to {VECTOR_LENGTH_MAX}.")
    rows = [
        {"object": "embedding", "index": index, "embedding": _vector(text, length, body.get("encoding_format"))}
        for index, text in enumerate(texts)
    ]
    count = sum(tokens(text) for text in texts)
    usage = {"usage": {"prompt_tokens": count, "total_tokens": count}}
    return {"object": "list", "data": rows, "model": str(body.get("model", "echo"))} | usage


def _inputs(given: object) -> list[bytes]:
    """Give the texts to embed; a list of token numbers is one text, of four bytes each."""
    if isinstance(given, str):
        return [given.encode()]
    if not isinstance(given, list) or not given or len(given) > INPUTS_MAX:
        raise BadAsk(f"input must be a text or a list of 1 to {INPUTS_MAX} of them.")
    if isinstance(given[0], int):
        given = [given]
    return [text.encode() if isinstance(text, str) else repr(text).encode() for text in given]


def _vector(text: bytes, length: int, encoding: object) -> list[float] | str:
    noise = struct.unpack(f"<{length}h", hashlib.shake_256(text).digest(2 * length))
    size = math.sqrt(sum(value * value for value in noise)) or 1.0
    numbers = [value / size for value in noise]
    if encoding == "base64":
        return base64.b64encode(struct.pack(f"<{length}f", *numbers)).decode()
    return numbers
