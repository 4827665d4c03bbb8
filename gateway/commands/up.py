"""weighbridge up: the gateway, its pages, and if asked a model on this machine, until it is told to stop."""

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.failed import BAD_SETTINGS, Failed
from gateway.commands.opening import make_data_dir, opened, settings_of
from gateway.commands.printing import box, say
from gateway.commands.starting import address, command, free_port, is_free, when_ready

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.supervise import Companion

Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the gateway, instead of the configured one.")]
PagesPort = Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the pages, likewise.")]


def up(
    ctx: typer.Context,
    *,
    with_local_model: Annotated[
        bool, typer.Option("--with-local-model", help="Run a small real model here, as the provider local.")
    ] = False,
    port: Port = None,
    pages_port: PagesPort = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Gateway processes, likewise.")] = None,
) -> None:
    """Start the gateway and its pages, until Ctrl-C."""
    from gateway.settings_env import tell_children

    said = {"WEIGHBRIDGE_PORT": port, "WEIGHBRIDGE_PAGES_PORT": pages_port, "WEIGHBRIDGE_WORKERS": workers}
    tell_children(**{name: str(value) for name, value in said.items() if value is not None})
    companions: tuple[Companion, ...] = (_local_model(),) if with_local_model else ()
    settings = settings_of(ctx, serving=True)
    _check_prices(settings)
    # Before the key that is shown once: a start that fails would have used it up.
    _check_ports(settings)
    _first_key(settings)
    run(settings, companions)


def run(settings: "Settings", companions: "tuple[Companion, ...]") -> None:
    """Keep the gateway, its pages and these companions running until a signal; exits with their code."""
    from gateway.serve import log_to_stderr
    from gateway.settings_names import described
    from gateway.supervise import Supervisor, pages

    log_to_stderr()
    logging.getLogger("weighbridge.up").info("settings", extra={"settings": described(settings)})
    supervisor = Supervisor(settings, (pages(settings), *companions))
    code = supervisor.run(started=lambda port: when_ready(settings.host, port, lambda: _tell(settings, port)))
    raise typer.Exit(code)


def _check_ports(settings: "Settings") -> None:
    """Say which port is taken while nothing has been started or made."""
    for number, option in ((settings.port, "--port"), (settings.pages_port, "--pages-port")):
        if number and not is_free(number, settings.host):
            raise Failed(
                f"{settings.host}:{number} is taken. Stop what listens there, or start with {option} and another.",
                BAD_SETTINGS,
            )


def _first_key(settings: "Settings") -> None:
    """Show the first admin key once; refuse to listen to the world while there is none."""
    from gateway.bind import bind_refusal

    make_data_dir(settings)
    with opened(settings) as desk:
        admins = any(key.role == "admin" for key in desk.registry.keys.values())
        refusal = bind_refusal(settings, has_admin_key=admins)
        if refusal is not None:
            raise Failed(refusal.message, BAD_SETTINGS)
        key = desk.changes.first_admin_key(desk.now)
    if key is not None:
        box("Admin key, shown once: it manages this gateway. Keep it safe", [key])


def _check_prices(settings: "Settings") -> None:
    """Raise BadSettings for a price file that cannot be read, before any process starts."""
    from gateway.prices.book import read_book

    read_book(settings.price_overrides)


def _local_model() -> "Companion":
    """Give the model's process, and say to all processes where it is; raises Failed where it is not installed."""
    import sys

    from gateway.local_model import problem
    from gateway.settings_env import tell_children
    from gateway.settings_file import LOCAL_MODEL
    from gateway.supervise import Companion

    missing = problem()
    if missing is not None:
        raise Failed(missing)
    port = free_port()
    tell_children(**{LOCAL_MODEL: address("127.0.0.1", port)})
    return Companion("local model", (sys.executable, "-m", "gateway.local_model", "--port", str(port)))


def _tell(settings: "Settings", port: int) -> None:
    """Say where everything is and what to do next."""
    url = address(settings.host, port)
    say(f"\nWeighbridge is ready.\n\n  gateway    {url}/v1")
    say(f"  pages      {address(settings.host, settings.pages_port)}")
    say(f"  data       {settings.data_dir}")
    say(f"  config     {settings.config_file or 'none: defaults and the environment'}")
    if settings.providers:
        for provider in settings.providers:
            key = "" if provider.api_key else ", no key"
            say(f"  provider   {provider.name}: {provider.base_url} ({', '.join(provider.dialects)}{key})")
    else:
        say(
            "  provider   none yet, so no model can be called. Set OPENAI_API_KEY, ANTHROPIC_API_KEY or\n"
            "             GEMINI_API_KEY to a provider's own key and start again, name providers in\n"
            f"             weighbridge.toml, or run: {command()} up --with-local-model"
        )
    where = f" --config {settings.config_file}" if settings.config_file else ""
    say(f"\nGive a team its key:  {command()} key create --team search{where}")
    say("Stop with Ctrl-C.")
