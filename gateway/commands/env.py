"""weighbridge env: the variables that point tools at the gateway, as lines for a shell."""

import shlex
from typing import Annotated, Literal
from urllib.parse import quote

import typer

from gateway.commands.failed import Failed
from gateway.commands.opening import Json, settings_to_read
from gateway.commands.printing import as_json, say
from gateway.commands.starting import address

KEY_VARIABLE = "WEIGHBRIDGE_KEY"
URL_VARIABLE = "WEIGHBRIDGE_URL"

Key = Annotated[str | None, typer.Option(envvar=KEY_VARIABLE, show_envvar=True, help="Your key of the gateway.")]
Url = Annotated[
    str | None, typer.Option(envvar=URL_VARIABLE, help="Where the gateway is, if not where the configuration says.")
]


def env(
    ctx: typer.Context,
    *,
    key: Key = None,
    url: Url = None,
    initiative: Annotated[str | None, typer.Option(help="Charge all calls of this shell to it.")] = None,
    shell: Annotated[Literal["sh", "fish", "powershell"], typer.Option(help="For which shell.")] = "sh",
    json: Json = False,
) -> None:
    """Print variables that point tools at the gateway.

    For OpenAI, Anthropic and Gemini SDKs and agents: eval "$(weighbridge env)".
    """
    variables = tools(url or url_of(ctx), needed(key), initiative)
    if json:
        as_json(variables)
        return
    for name, value in variables.items():
        say(_line(shell, name, value))


def tools(url: str, key: str, initiative: str | None) -> dict[str, str | None]:
    """Give the variables by which SDKs and agents find a provider; None for one that is to be taken away.

    Those would be sent beside ours, and two credentials are refused.
    """
    root = url.rstrip("/") + (f"/t/{quote(initiative, safe='')}" if initiative else "")
    return {
        "OPENAI_BASE_URL": f"{root}/v1",
        "OPENAI_API_KEY": key,
        "ANTHROPIC_BASE_URL": root,
        "ANTHROPIC_AUTH_TOKEN": key,
        "GOOGLE_GEMINI_BASE_URL": root,
        "GEMINI_API_KEY": key,
        "ANTHROPIC_API_KEY": None,
        "GOOGLE_API_KEY": None,
    }


def url_of(ctx: typer.Context) -> str:
    """Give where the gateway of these settings listens, as this machine reaches it."""
    settings = settings_to_read(ctx)
    return address(settings.host, settings.port)


def needed(key: str | None) -> str:
    """Give the key; raises Failed without one."""
    if not key:
        raise Failed(
            f"Which key? Give --key, or set {KEY_VARIABLE}. A new one: weighbridge key create --team TEAM", code=2
        )
    return key


def _line(shell: str, name: str, value: str | None) -> str:
    match shell:
        case "fish":
            return f"set -e {name}" if value is None else f"set -gx {name} {shlex.quote(value)}"
        case "powershell":
            return f"$Env:{name} = '{(value or '').replace(chr(39), chr(39) * 2)}'"
        case _:
            return f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"
