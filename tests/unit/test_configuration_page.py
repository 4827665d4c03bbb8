"""docs/configuration.md lists every setting with its own default and range, and its examples can be used."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.settings_file import VARIABLES, read_settings
from gateway.settings_names import KEYS
from gateway.settings_schema import json_schema

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text()
ROW = re.compile(r"^\| `([a-z_.A-Z]+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
ROWS = {match.group(1): match.groups()[1:] for match in ROW.finditer(PAGE)}
TABLES = {"providers": "ProviderTable", "models": "ModelTable"}


def settings() -> dict[str, dict[str, Any]]:
    """Every setting the schema knows, by its name on the page."""
    defs = json_schema()["$defs"]
    found: dict[str, dict[str, Any]] = {}
    for table in defs["File"]["properties"]:
        name = TABLES.get(table, table.capitalize())
        for key, said in defs[name]["properties"].items():
            found[f"{table}.NAME.{key}" if table in TABLES else f"{table}.{key}"] = said
    return found


def test_every_setting_is_on_the_page_and_no_other() -> None:
    assert set(ROWS) == set(settings())
    assert {key for key in KEYS.values() if "." in key} == {name for name in ROWS if ".NAME." not in name}


@pytest.mark.parametrize("name", settings())
def test_a_setting_is_told_with_its_default_its_range_and_what_breaks(name: str) -> None:
    default, bounds, what, breaks = ROWS[name]
    known = settings()[name]
    if known.get("default") is not None:
        assert tomllib.loads(f"x = {default.strip('`')}")["x"] == json.loads(json.dumps(known["default"]))
    else:
        assert default == ("none" if "default" in known else "required")
    ends = [known[end] for end in ("minimum", "maximum") if end in known]
    if ends:
        assert bounds == " to ".join(f"{end:g}" if isinstance(end, float) else str(end) for end in ends)
    for choice in known.get("enum", ()):
        assert f"`{choice}`" in bounds
    assert known["description"].strip()
    assert what.strip()
    assert breaks.strip()


def test_every_variable_is_on_the_page() -> None:
    for name, keys in VARIABLES.items():
        assert f"| `{name}` | `{'.'.join(keys)}`" in PAGE


def test_the_examples_on_the_page_can_be_used(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        path = tmp_path / "weighbridge.toml"
        path.write_text(block)
        assert read_settings(path, {"OPENAI_API_KEY": "sk-1"}).providers
