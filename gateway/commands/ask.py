"""weighbridge ask: one call through a running gateway, with what it took and what it cost."""

import contextlib
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.env import Key, Url, needed, url_of
from gateway.commands.failed import Failed
from gateway.commands.opening import Json
from gateway.commands.pairs import pairs
from gateway.commands.printing import as_json, cell, note, say

if TYPE_CHECKING:
    import http.client

    from gateway.commands.asking import Dialect, Gateway

LISTED_MAX = 20
"""With more models than these it would be a guess which one is meant."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    text: str
    model: str
    request_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost: str | None
    initiative: str | None
    warning: str | None
    seconds: float


def ask(  # noqa: PLR0913 - each is an option
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="What to ask; - reads it from standard input.")],
    *,
    model: Annotated[str | None, typer.Option(help="Which model; the first that is served if not said.")] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Show the answer as it comes.")] = False,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Tag of this call, such as epic=PROJ-42; repeatable.")
    ] = None,
    key: Key = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Ask one question through a running gateway.

    The answer goes to standard output, its tokens, cost and request id to standard error.
    """
    from gateway.commands.asking import Gateway

    said = sys.stdin.read() if text == "-" else text
    if not said.strip():
        raise Failed("There is nothing to ask: the text is empty.", code=2)
    tags = ", ".join(f'{name}="{value}"' for name, value in pairs(tag or (), "--tag").items())
    where, headers = url or url_of(ctx), {"x-ai-tags": tags} if tags else None
    with contextlib.closing(Gateway(where, needed(key), headers)) as gateway:
        chosen = model or _only_model(gateway)
        started = time.perf_counter()
        answer = _answered(gateway, chosen, said, stream=stream, show=not json)
        answer = replace(answer, seconds=time.perf_counter() - started)
    if json:
        as_json(told(answer))
    else:
        _show(answer, shown=stream)


def told(answer: Answer) -> dict[str, Any]:
    """Give an answer as plain values."""
    return {
        "answer": answer.text,
        "request_id": answer.request_id,
        "request_model": answer.model,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "currency": "USD",
        "billed_cost": answer.cost,
        "initiative": answer.initiative,
        "warning": answer.warning,
        "duration_ms": round(answer.seconds * 1000),
    }


def _only_model(gateway: "Gateway") -> str:
    """Give the first of the models this key may call; raises Failed where there are too many to choose for anybody."""
    names = [str(one.get("id")) for one in gateway.get("/v1/models").get("data", ())]
    if not names:
        raise Failed("This gateway serves no model to this key. weighbridge doctor says why.")
    if len(names) > LISTED_MAX:
        few = ", ".join(names[:5])
        raise Failed(f"Which model? {len(names)} are served here. Name one with --model, such as {few}.", code=2)
    return names[0]


def _answered(gateway: "Gateway", model: str, text: str, *, stream: bool, show: bool) -> Answer:
    """Ask in the first dialect in which the model is served; raises Failed with the gateway's own words."""
    from gateway.commands.asking import DIALECTS, Refusing

    refused: Refusing | None = None
    for dialect in DIALECTS:
        response = gateway.post(*dialect.asked(model, text, stream=stream))
        if not isinstance(response, Refusing):
            return _read(dialect, response, model, stream=stream, show=show)
        refused = refused or response
        if response.code != "model_not_in_dialect" and response.status != 404:
            break
    assert refused is not None
    about = f" (request {refused.request_id})" if refused.request_id else ""
    raise Failed(f"{refused.message}{about}")


def _read(dialect: "Dialect", response: "http.client.HTTPResponse", model: str, *, stream: bool, show: bool) -> Answer:
    """Read the answer to its end; a streamed one is shown as it comes."""
    from gateway.commands.asking import events, whole

    text, usage = "", dict[str, Any]()
    try:
        for said in events(response) if stream else (whole(response),):
            piece = dialect.read(said)
            usage |= piece.usage or {}
            text += piece.text
            if stream and show and piece.text:
                typer.echo("".join(c if c.isprintable() or c in "\n\t" else "?" for c in piece.text), nl=False)
    except Failed:
        if stream and show and text:
            say("")  # What went wrong begins a line of its own.
        raise
    cost = response.getheader("x-weighbridge-cost") or usage.get("cost")
    return Answer(
        text=text,
        model=model,
        request_id=response.getheader("x-request-id"),
        input_tokens=_count(usage, "prompt_tokens", "input_tokens", "promptTokenCount"),
        output_tokens=_count(usage, "completion_tokens", "output_tokens", "candidatesTokenCount"),
        cost=None if cost is None else str(cost),
        initiative=response.getheader("x-weighbridge-initiative"),
        warning=response.getheader("x-weighbridge-warning"),
        seconds=0.0,
    )


def _count(usage: dict[str, Any], *names: str) -> int | None:
    return next((usage[name] for name in names if isinstance(usage.get(name), int)), None)


def _show(answer: Answer, *, shown: bool) -> None:
    """Show the answer on standard output, and what it was on standard error."""
    if shown:
        say("")
    else:
        say("".join(c if c.isprintable() or c in "\n\t" else "?" for c in answer.text))
    tokens = f"{answer.input_tokens or 0:,} + {answer.output_tokens or 0:,} tokens"
    cost = f"${answer.cost}" if answer.cost is not None else "cost not known"
    work = f", {answer.initiative}" if answer.initiative else ""
    note(f"\n{cell(answer.model)}: {tokens}, {cost}{work}, {_took(answer.seconds)}, {answer.request_id}")
    if answer.warning:
        note(cell(answer.warning))


def _took(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
