"""New settings while running are taken over as a whole or not at all; and where the gateway may listen."""

import re
from pathlib import Path

import pytest

from gateway.bind import bind_refusal, is_loopback
from gateway.settings import BadSettings, Settings
from gateway.settings_file import read_settings, reload_settings
from gateway.settings_names import KEYS, MAY_CHANGE


def written(folder: Path, text: str) -> Path:
    path = folder / "weighbridge.toml"
    path.write_text(text)
    return path


def test_F63_a_reload_that_fails_raises_and_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nport = 9000\n")
    current = read_settings(path, {})
    for text in ("[server\n", "[server]\nprot = 1\n", '[models.m]\ntargets = ["gone/x"]\n'):
        written(tmp_path, text)
        with pytest.raises(BadSettings, match=re.escape(str(path))):
            reload_settings(current, {})
    path.unlink()
    with pytest.raises(BadSettings, match="no such file"):
        reload_settings(current, {})


def test_F64_a_reload_brings_new_providers_models_prices_tags_and_initiatives(tmp_path: Path) -> None:
    path = written(tmp_path, '[providers.a]\nbase_url = "https://a"\n')
    current = read_settings(path, {})
    (tmp_path / "prices.toml").write_text("")
    written(
        tmp_path,
        '[providers.b]\nbase_url = "https://b"\n[models.m]\ntargets = ["b/x"]\n'
        '[prices]\nunknown = "deny"\noverrides = "prices.toml"\n[initiatives]\nunknown = "flag"\npattern = "X-[0-9]+"\n'
        '[tags]\nlocked_dimensions = []\naliases = { squad = "team" }\n',
    )
    new = reload_settings(current, {})
    assert [provider.name for provider in new.providers] == ["b"]
    changed = {name for name in KEYS if getattr(new, name) != getattr(current, name)}
    assert changed == MAY_CHANGE


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[server]\nport = 9001\n", "server.port"),
        ('[data]\ndir = "elsewhere"\n', "data.dir"),
        ('[ledger]\nurl = "postgresql://db/x"\n', "ledger.url"),
        ('[server]\nworkers = 2\n[journal]\ndurability = "strict"\n', "server.workers, journal.durability"),
    ],
)
def test_F63_what_needs_a_restart_is_named_and_not_taken_over(tmp_path: Path, text: str, names: str) -> None:
    current = read_settings(written(tmp_path, ""), {})
    written(tmp_path, text)
    with pytest.raises(BadSettings, match=f"{re.escape(names)} changed, which needs a restart"):
        reload_settings(current, {})


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("LOCALHOST", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("192.168.1.4", False), ("gateway.example", False),
    ],
)  # fmt: skip
def test_T64_beyond_loopback_nothing_listens_until_an_admin_key_exists(tmp_path: Path, host: str, here: bool) -> None:
    settings = Settings(data_dir=tmp_path, host=host)
    assert is_loopback(host) is here
    refusal = bind_refusal(settings, has_admin_key=False)
    assert (refusal is None) is here
    assert refusal is None or (refusal.code == "bind_refused" and "key create --role admin" in refusal.message)
    assert bind_refusal(settings, has_admin_key=True) is None
