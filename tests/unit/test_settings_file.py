"""The configuration file: what is right is read whole, what is wrong is said with its line, what is secret stays so."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.settings import BadSettings, Provider, Settings
from gateway.settings_file import FILE_BYTES_MAX, VARIABLES, read_settings
from gateway.settings_names import KEYS, MAY_CHANGE, described
from gateway.settings_schema import File, json_schema

ENVIRON = {"OPENAI_KEY": "sk-one", "LEDGER": "postgresql://u:pw@db/book", "EMPTY": "", "OURS": "wb_abc", "TWO": "a\nb"}

WHOLE = """
[server]
host = "0.0.0.0"
port = 9000
workers = 4
on_client_gone = "stop"
drain_timeout_s = 5

[data]
dir = "book"

[journal]
durability = "strict"

[ledger]
url = "${LEDGER}"

[tags]
locked_dimensions = ["team", "customer"]
aliases = { squad = "team", okr = "initiative" }

[initiatives]
unknown = "deny"
pattern = '(?:feat|fix)/([A-Z]{2,10}-\\d{1,6})'

[prices]
unknown = "deny"

[providers.openai]
base_url = "https://api.openai.com"
api_key = "${OPENAI_KEY}"
headers = { "OpenAI-Organization" = "org-1", "X-Proxy-Auth" = "Bearer ${OPENAI_KEY}" }

[providers.local]
base_url = "http://127.0.0.1:9999"
dialects = ["openai", "anthropic"]
private_network = true
models = ["smollm*"]
priced_as = "free"

[models.fast]
targets = ["openai/gpt-4o-mini", "local/smollm2"]
aliases = ["quick"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "weighbridge.toml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    path = written(folder, text)
    with pytest.raises(BadSettings) as raised:
        read_settings(path, ENVIRON if environ is None else environ)
    return str(raised.value).replace(str(path), "file")


def test_a_whole_file_is_read_as_it_says(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, WHOLE), ENVIRON)
    assert (settings.host, settings.port, settings.workers) == ("0.0.0.0", 9000, 4)
    assert (settings.on_client_gone, settings.drain_timeout_s, settings.durability) == ("stop", 5.0, "strict")
    assert settings.data_dir == (tmp_path / "book").resolve()
    assert settings.ledger_url == ENVIRON["LEDGER"]
    assert settings.locked_dimensions == ("team", "customer")
    assert settings.tag_aliases == {"squad": "team", "okr": "initiative"}
    assert (settings.unknown_initiative, settings.unknown_price) == ("deny", "deny")
    openai, local = settings.providers
    assert openai.api_key is not None
    assert openai.api_key.reveal() == "sk-one"
    assert openai.headers == (("openai-organization", "org-1"), ("x-proxy-auth", "Bearer sk-one"))
    assert (openai.priced_as, local.priced_as, local.models) == ("openai", "free", ("smollm*",))
    assert settings.models[0].targets == ("openai/gpt-4o-mini", "local/smollm2")
    assert settings.config_file == (tmp_path / "weighbridge.toml").resolve()


BAD: list[tuple[str, int, str]] = [
    # What is no TOML.
    ("[server\n", 1, "not valid TOML"),
    ("[server]\nport = \n", 2, "not valid TOML"),
    ("[server]\nport = 1\nport = 2\n", 3, "not valid TOML"),
    ("[data]\n\n[data]\n", 3, "not valid TOML"),
    ('[data]\ndir = "x\n', 2, "not valid TOML"),
    ("[server]\nworkers = [1,\n2", 3, "not valid TOML"),
    # Names nobody knows.
    ("[server]\nprot = 1\n", 2, 'server.prot: there is no such setting; did you mean "port"? docs'),
    ("x = 1\n", 1, "x: there is no such setting"),
    ("[sever]\nport = 1\n", 1, 'did you mean "server"'),
    ('[data]\ndir = "a"\n[provider.openai]\nbase_url = "b"\n', 3, 'did you mean "providers"'),
    ('[providers.a]\nbase_url = "https://a"\n[providers.b]\nbase_url = "https://b"\nurl = 1\n', 5, "providers.b.url"),
    ('[models.a]\ntargets = ["b/c"]\nalias = "x"\n', 3, 'did you mean "aliases"'),
    ('[providers]\na = { base_url = "https://a", kee = "x" }\n', 2, "providers.a.kee"),
    # Values of another kind.
    ('[server]\n\nport = "8080"\n', 3, "server.port must be a whole number, not text in quotes"),
    ("[server]\nlog_calls = 1\n", 2, "must be true or false, not a whole number"),
    ("[server]\nworkers = 1.5\n", 2, "must be a whole number, not a number"),
    ("[server]\ndrain_timeout_s = nan\n", 2, "must be at least 0"),
    ("[data]\ndir = 2026-01-01\n", 2, "must be text in quotes, not a date"),
    ('[tags]\nlocked_dimensions = "team"\n', 2, "must be a list in brackets, not text in quotes"),
    ('[tags]\nlocked_dimensions = [\n  "team",\n  3,\n]\n', 4, "tags.locked_dimensions[1] must be text in quotes"),
    ("server = 3\n", 1, "must be a table"),
    ("[[server]]\nport = 1\n", 1, "must be a table, not a list"),
    ('[providers.a]\nbase_url = "https://a"\n[providers.b]\nbase_url = 7\n', 4, "providers.b.base_url must be text"),
    ('[providers.a]\nbase_url = "https://a"\n[providers.a.headers]\nx = "1"\ny = 2\n', 5, "providers.a.headers.y"),
    # Values out of range.
    ("[server]\nport = 65536\n", 2, "must be at most 65535"),
    ("[server]\nport = -1\n", 2, "must be at least 0"),
    ("[server]\nworkers = 0\n", 2, "must be at least 1"),
    ("[server]\nbody_bytes_max = 1023\n", 2, "must be at least 1024"),
    ("[journal]\ngroup_ms = 1001\n", 2, "must be at most 1000"),
    ("[journal]\nsegment_bytes = 1048575\n", 2, "must be at least 1048576"),
    ('[journal]\n# how\ndurability = "fast"\n', 3, "choose one of: group, process, strict"),
    ('[providers.a]\nbase_url = "https://a"\ndialects = ["openai", "cohere"]\n', 3, "choose one of: anthropic, gemini"),
    ('[providers.a]\nbase_url = "https://a"\ndialects = []\n', 3, "must have at least 1 entries"),
    ('[providers.a]\nbase_url = "https://a"\nconnect_timeout_s = 0.01\n', 3, "must be at least 0.05"),
    ('[providers.a]\n\ndialects = ["openai"]\n', 1, "providers.a: base_url is missing"),
    ("[models.a]\naliases = []\n", 1, "models.a: targets is missing"),
    # What excludes each other, and what leads nowhere.
    ("[server]\nport = 8081\n", 1, "both want port 8081"),
    ('[server]\nhost = "http://x"\n', 2, "is no address"),
    ('[providers.a]\nbase_url = "ftp://a"\n', 2, "neither https:// nor http://"),
    ('[providers.a]\nbase_url = "http://a"\n', 2, "carry the key in clear"),
    ('[providers.a]\nbase_url = "https://a?x=1"\n', 2, "query or fragment"),
    ('[providers."a/b"]\nbase_url = "https://a"\n', 1, "cannot be the name of a provider"),
    ('[providers.a]\nbase_url = "https://a"\n[models.m]\ntargets = ["a/x", "c/x"]\n', 4, '"c/x" leads to no provider'),
    ('[providers.openai]\nbase_url = "https://a"\n[models.m]\ntargets = ["opnai/x"]\n', 4, 'did you mean "openai"'),
    ('[providers.a]\nbase_url = "https://a"\n[models.m]\ntargets = ["a/"]\n', 4, "leads to no provider"),
    ('[models.m]\ntargets = ["a/x"]\n', 2, "configured are: none"),
    ('[providers.a]\nbase_url = "https://a"\n[models.m]\ntargets = ["a/x", "a/x"]\n', 4, "is there twice"),
    (
        '[providers.a]\nbase_url = "https://a"\n[models.m]\ntargets = ["a/x"]\n'
        '[models.n]\ntargets = ["a/x"]\naliases = [\n"m"]\n',
        7,
        "also a name of the model m",
    ),
    (
        '[providers.a]\nbase_url = "https://a"\n[models."gpt-*"]\ntargets = ["a/x"]\n',
        4,
        "cannot be the name of a model",
    ),
    ('[prices]\n\noverrides = "nowhere.toml"\n', 3, "there is no file nowhere.toml"),
    ('[tags]\nlocked_dimensions = ["team", "day"]\n', 2, '"day" is no dimension'),
    ('[tags.aliases]\nsquad = "team"\nwork = "state"\n', 3, '"state" is no dimension'),
    ('[tags.aliases]\n"Squad" = "team"\n', 2, "must be small letters"),
    ('[ledger]\nurl = "mysql://x/y"\n', 2, 'must be "sqlite", or start with sqlite:/ or postgresql://'),
    ('[ledger]\nurl = "sqlite:book"\n', 2, 'must be "sqlite", or'),
    ('[ledger]\nurl = "postgresql://[x"\n', 2, 'must be "sqlite", or'),
    ('[initiatives]\npattern = "("\n', 2, "is not a regular expression"),
    # Secrets.
    ('[providers.a]\nbase_url = "https://a"\napi_key = "sk-123"\n', 3, "holds a secret in clear"),
    ('[providers.a]\nbase_url = "https://a"\napi_key = "Bearer ${OPENAI_KEY}"\n', 3, "or something around it"),
    ('[providers.a]\nbase_url = "https://a"\napi_key = "${NOT_THERE}"\n', 3, "NOT_THERE is not set"),
    ('[providers.a]\nbase_url = "https://a"\napi_key = "${EMPTY}"\n', 3, "EMPTY is empty"),
    ('[providers.a]\nbase_url = "https://a"\napi_key = "${TWO}"\n', 3, "one line of visible ASCII"),
    ('[providers.a]\nbase_url = "https://a"\napi_key = "${OURS}"\n', 3, "leads to a Weighbridge key"),
    ('[providers.a]\nbase_url = "https://a"\napi_key = "${file:no-such-file}"\n', 3, "no secret file no-such-file"),
    ('[providers.a]\nbase_url = "https://a"\napi_key = "${file:/dev/zero}"\n', 3, "no secret file /dev/zero"),
    ('[providers.a]\nbase_url = "https://a"\napi_key = "${a b}"\n', 3, "cannot be the name of an environment variable"),
    (
        '[providers.a]\nbase_url = "https://a"\n[providers.a.headers]\nx = "1"\nx-api-token = "abc"\n',
        5,
        "holds a secret in clear",
    ),
    ('[providers.a]\nbase_url = "https://a"\n[providers.a.headers]\nx = "${OPENAI_KEY"\n', 4, "is not closed"),
    ('[providers.a]\nbase_url = "https://a"\n[providers.a.headers]\nhost = "b"\n', 4, "writes this header itself"),
    ('[providers.a]\nbase_url = "https://a"\n[providers.a.headers]\n"a b" = "c"\n', 4, "a plain name and one line"),
    ('[providers.a]\nbase_url = "https://a"\n[providers.a.headers]\na = "b\\nc: d"\n', 4, "a plain name and one line"),
    (
        '[providers.a]\nbase_url = "https://a"\napi_key = "${OPENAI_KEY}"\n'
        '[providers.a.headers]\nAuthorization = "Bearer ${OPENAI_KEY}"\n',
        5,
        "would send two credentials",
    ),
    ('[ledger]\nurl = "postgresql://u:secret@db/x"\n', 2, "holds a password in clear"),
    ('[server]\nhost = "${HOST}"\n', 2, "is no address"),
    ('[data]\ndir = "${HOME}/x"\n', 2, "only read in api_key, headers and ledger.url"),
]


@pytest.mark.parametrize(("text", "line", "says"), BAD, ids=[f"{n}-{says[:30]}" for n, (_, _, says) in enumerate(BAD)])
def test_F63_a_bad_file_is_refused_with_its_line_and_a_sentence(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    said = refused(tmp_path, text)
    assert said.startswith(f"file:{line}: ")
    assert says in said
    assert said.endswith(".")
    assert "`" not in said
    assert "secret@" not in said


def test_the_last_value_that_fits_is_taken_at_every_bound(tmp_path: Path) -> None:
    settings = read_settings(
        written(
            tmp_path,
            "[server]\nport = 65535\nworkers = 64\nbody_bytes_max = 1024\ndrain_timeout_s = 0\n"
            "[journal]\ngroup_ms = 1000\nsegment_bytes = 1048576\nretention_s = 3600\n",
        ),
        {},
    )
    assert (settings.port, settings.workers, settings.group_ms) == (65535, 64, 1000)


def test_without_a_file_the_defaults_hold_and_providers_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = read_settings(None, {"OPENAI_API_KEY": "sk-1", "GEMINI_API_KEY": "g-1"})
    assert [provider.name for provider in settings.providers] == ["openai", "gemini"]
    assert settings.data_dir == (tmp_path / "weighbridge-data").resolve()
    assert dataclasses.replace(settings, providers=()) == Settings(data_dir=settings.data_dir)


def test_a_clients_key_in_the_shell_makes_no_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings(None, {"OPENAI_API_KEY": "wb_x", "ANTHROPIC_API_KEY": " "}).providers == ()


def test_a_file_that_names_providers_alone_decides(tmp_path: Path) -> None:
    text = '[providers.a]\nbase_url = "https://a"\n'
    settings = read_settings(written(tmp_path, text), {"OPENAI_API_KEY": "sk-1"})
    assert [provider.name for provider in settings.providers] == ["a"]


def test_the_file_is_found_by_variable_and_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "[server]\nport = 1234\n")
    (tmp_path / "other.toml").write_text("[server]\nport = 4321\n")
    assert read_settings(None, {}).port == 1234
    assert read_settings(None, {"WEIGHBRIDGE_CONFIG": "other.toml"}).port == 4321
    assert read_settings(Path("weighbridge.toml"), {"WEIGHBRIDGE_CONFIG": "other.toml"}).port == 1234


def test_a_variable_wins_over_the_file_and_is_named_when_it_is_wrong(tmp_path: Path) -> None:
    path = written(tmp_path, '[server]\nport = 1234\n[ledger]\nurl = "sqlite"\n')
    environ = {"WEIGHBRIDGE_PORT": "4321", "WEIGHBRIDGE_LEDGER_URL": "postgresql://u:pw@db/book"}
    settings = read_settings(path, environ)
    assert (settings.port, settings.ledger_url) == (4321, "postgresql://u:pw@db/book")
    with pytest.raises(BadSettings, match="^environment: WEIGHBRIDGE_PORT must be at most 65535"):
        read_settings(path, {"WEIGHBRIDGE_PORT": "70000"})
    with pytest.raises(BadSettings, match="^environment: WEIGHBRIDGE_WORKERS must be a whole number"):
        read_settings(path, {"WEIGHBRIDGE_WORKERS": "many"})


def test_every_variable_leads_to_a_setting() -> None:
    assert {".".join(keys) for keys in VARIABLES.values()} <= set(KEYS.values())


def test_paths_in_the_file_start_at_its_folder_and_those_of_variables_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "key").write_text("sk-from-file\n")
    (tmp_path / "etc" / "prices.toml").write_text("")
    path = written(
        tmp_path / "etc",
        '[data]\ndir = "d"\n[prices]\noverrides = "prices.toml"\n'
        '[providers.a]\nbase_url = "https://a"\napi_key = "${file:key}"\n',
    )
    settings = read_settings(path, {})
    assert settings.data_dir == (tmp_path / "etc" / "d").resolve()
    assert settings.price_overrides == (tmp_path / "etc" / "prices.toml").resolve()
    assert settings.providers[0].api_key is not None
    assert settings.providers[0].api_key.reveal() == "sk-from-file"
    assert read_settings(path, {"WEIGHBRIDGE_DATA_DIR": "e"}).data_dir == (tmp_path / "e").resolve()


@pytest.mark.parametrize("length", [16_384, 16_385])
def test_a_secret_file_has_a_longest_length(tmp_path: Path, length: int) -> None:
    (tmp_path / "key").write_text("x" * length)
    path = written(tmp_path, '[providers.a]\nbase_url = "https://a"\napi_key = "${file:key}"\n')
    if length == 16_384:
        assert read_settings(path, {}).providers[0].api_key is not None
    else:
        with pytest.raises(BadSettings, match="longer than 16384 bytes"):
            read_settings(path, {})


def test_who_only_reads_the_ledger_needs_no_providers_keys(tmp_path: Path) -> None:
    path = written(tmp_path, WHOLE)
    settings = read_settings(path, {"LEDGER": "postgresql://db/book"}, serving=False)
    assert settings.ledger_url == "postgresql://db/book"
    assert [provider.api_key for provider in settings.providers] == [None, None]
    with pytest.raises(BadSettings, match="OPENAI_KEY is not set"):
        read_settings(path, {"LEDGER": "postgresql://db/book"})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "there is no such file"),
        (lambda path: path.write_bytes(b"[server]\nport = 1\n# \xff\n"), "file:3: this is not UTF-8"),
        (lambda path: path.write_bytes(b"#" * (FILE_BYTES_MAX + 1)), "longer than"),
        (lambda path: path.write_text("a = " + "[" * 50_000), "nested too deeply"),
        (lambda path: path.write_text("a = " + "{a = " * 50_000), "nested too deeply"),
    ],
)
def test_T68_a_file_that_cannot_be_text_of_ours_is_refused(tmp_path: Path, make: Any, says: str) -> None:
    path = tmp_path / "weighbridge.toml"
    make(path)
    with pytest.raises(BadSettings) as raised:
        read_settings(path, {})
    assert says in str(raised.value).replace(str(path), "file")


def test_T17_no_secret_is_shown_by_anything_that_shows_settings(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, WHOLE), ENVIRON)
    shown = json.dumps(described(settings)) + repr(settings) + repr(settings.providers) + str(settings)
    assert "sk-one" not in shown
    assert "pw" not in shown
    assert described(settings)["ledger.url"] == "postgresql://***@db/book"
    assert described(settings)["providers"]["openai"]["api_key"] == "***"
    assert described(settings)["providers"]["local"]["api_key"] is None


def test_everything_that_can_be_set_is_shown_by_its_name_in_the_file(tmp_path: Path) -> None:
    shown = described(read_settings(written(tmp_path, WHOLE), ENVIRON))
    assert set(shown) == {*KEYS.values(), "config_file"}
    assert shown["tags.aliases"] == {"squad": "team", "okr": "initiative"}


def test_every_field_of_the_settings_has_its_name_in_the_file() -> None:
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert fields == {*KEYS, "config_file"}
    assert fields >= MAY_CHANGE
    assert {field.name for field in dataclasses.fields(Provider)} - {"name"} == set(_table(File, "providers"))


def _table(struct: Any, name: str) -> list[str]:
    schema = msgspec.json.schema(struct)
    titles = {"providers": "ProviderTable", "models": "ModelTable"}
    return list(schema["$defs"][titles[name]]["properties"])


def test_the_defaults_of_file_and_settings_are_the_same(tmp_path: Path) -> None:
    file, settings = File(), Settings(data_dir=tmp_path)
    for field, key in KEYS.items():
        table, _, name = key.partition(".")
        if name and field != "data_dir":
            assert getattr(getattr(file, table), name) == getattr(settings, field), key


def test_the_schema_for_editors_knows_every_table_and_closes_it() -> None:
    schema = json_schema()
    json.dumps(schema)
    assert schema["$defs"]["File"]["additionalProperties"] is False
    assert {key.partition(".")[0] for key in KEYS.values()} == set(schema["$defs"]["File"]["properties"])


def test_a_model_that_runs_beside_the_gateway_is_a_provider_more(tmp_path: Path) -> None:
    environ = {"WEIGHBRIDGE_LOCAL_MODEL_URL": "http://127.0.0.1:9"}
    path = written(tmp_path, '[providers.a]\nbase_url = "https://a"\n[models.m]\ntargets = ["local/smollm2", "a/x"]\n')
    settings = read_settings(path, environ)
    assert [provider.name for provider in settings.providers] == ["a", "local"]
    assert settings.providers[1].models == ("smollm2",)
    with pytest.raises(BadSettings, match="leads to no provider"):
        read_settings(path, {})
    own = written(tmp_path, '[providers.local]\nbase_url = "https://mine"\n')
    assert [provider.base_url for provider in read_settings(own, environ).providers] == ["https://mine"]
