"""The pages' ASGI application: every address is closed to who has not signed in, but the few that are listed."""

from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.ledger.errors import LedgerDown
from reporting.web import sign_in, spend_routes
from reporting.web.edge import guarded
from reporting.web.pages import STATIC, Pages
from reporting.web.sessions import COOKIE

STATIC_TYPES = {"style.css": "text/css; charset=utf-8", "mark.svg": "image/svg+xml"}

OPEN = frozenset(("/livez", "/sign-in"))
OPEN_BELOW = ("/sign-in/once/", "/static/")
"""What can be seen without having signed in; everything else cannot."""


def make_app(pages: Pages) -> ASGIApp:
    """Give the application."""
    routes = [
        Route("/", lambda _: guarded(RedirectResponse("/spend", 303))),
        Route("/livez", lambda _: guarded(Response("ok", media_type="text/plain"))),
        Route("/static/{name}", _static),
        *sign_in.routes(pages),
        *spend_routes.routes(pages),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _failed(pages), LedgerDown: _down(pages)})
    return _SignedIn(app, pages)


class _SignedIn:
    """Lets nobody past who has no session, whatever lies behind."""

    def __init__(self, app: ASGIApp, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request, path = Request(scope), scope["path"]
        session = await run_in_threadpool(self._pages.session, request.cookies.get(COOKIE))
        if session is None and path not in OPEN and not path.startswith(OPEN_BELOW):
            await sign_in.wanted(request)(scope, receive, send)
            return
        scope["session"] = session
        await self._app(scope, receive, send)


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC_TYPES:
        raise HTTPException(404)
    content = (STATIC / name).read_bytes()
    return guarded(Response(content, media_type=STATIC_TYPES[name]), cache="public, max-age=31536000, immutable")


def _failed(pages: Pages) -> Any:  # noqa: ANN401 - what Starlette takes as a handler
    def handler(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        text = "There is no such page." if status == 404 else "This cannot be done here."
        return pages.html("error.html", status, title=text, text="", problems=())

    return handler


def _down(pages: Pages) -> Any:  # noqa: ANN401 - what Starlette takes as a handler
    def handler(_request: Request, error: Exception) -> Response:
        title = "The ledger cannot be read at the moment."
        text = f"{error} Nothing is lost: calls are kept in the gateways' journals until it is back."
        response = pages.html("error.html", 503, title=title, text=text, problems=())
        response.headers["retry-after"] = "5"
        return response

    return handler
