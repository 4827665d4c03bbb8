"""Signing in with a key or a one-time link, and signing out."""

import re
from urllib.parse import urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import Refused
from reporting.web.edge import form, guarded, same_origin
from reporting.web.pages import Pages
from reporting.web.sessions import COOKIE, LIFETIME, Session

START = "/spend"

_PAGE = re.compile(r"/spend(\?[!-~]{0,2000})?")
"""Where a sign-in may lead: to a page of ours and nowhere else."""


def routes(pages: Pages) -> list[Route]:
    """Give the addresses of signing in and out."""

    def show(request: Request) -> Response:
        return _form(pages, _page(request.query_params.get("next")))

    def once(request: Request) -> Response:
        return _by_link(pages, request)

    async def post(request: Request) -> Response:
        return await _by_form(pages, request)

    def leave(request: Request) -> Response:
        return _leave(pages, request)

    return [
        Route("/sign-in", show, methods=["GET"]),
        Route("/sign-in", post, methods=["POST"]),
        Route("/sign-in/once/{token}", once, methods=["GET"]),
        Route("/sign-out", leave, methods=["POST"]),
    ]


def wanted(request: Request) -> Response:
    """Answer who has not signed in: people are shown the way, programs are told."""
    if request.url.path.endswith((".json", ".csv")):
        problem = {
            "type": "about:blank",
            "title": "Not signed in",
            "status": 401,
            "detail": "These numbers open with the cookie of a signed-in browser. "
            "Programs read GET /api/v1/spend of the gateway with a key.",
        }
        return guarded(Response(msgspec.json.encode(problem), 401, media_type="application/problem+json"))
    asked = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    more = f"?{urlencode({'next': asked})}" if _PAGE.fullmatch(asked) and asked != "/spend" else ""
    return guarded(RedirectResponse(f"/sign-in{more}", 303))


def _by_link(pages: Pages, request: Request) -> Response:
    cookie = pages.sessions.by_link(request.path_params["token"], pages.now())
    if cookie is None:
        text = "This link was used before, or is older than ten minutes. Sign in with a key, or start anew."
        return _form(pages, START, text, 401)
    return _signed_in(request, cookie, START)


async def _by_form(pages: Pages, request: Request) -> Response:
    if not same_origin(request):
        return _form(pages, START, "This form was sent from another site. Sign in here.", 403)
    fields = await form(request)
    if fields is None:
        return _form(pages, START, "This was not the sign-in form. Sign in here.", 400)
    page, key = _page(fields.get("next")), fields.get("key", "").strip()
    if not key:
        return _form(pages, page, "Enter a key.", 400)
    try:
        cookie = await run_in_threadpool(_by_key, pages, key)
    except Refused as refused:
        return _form(pages, page, refused.refusal.message, refused.refusal.status)
    return _signed_in(request, cookie, page)


def _by_key(pages: Pages, key: str) -> str:
    pages.refresh()
    return pages.sessions.by_key(key, pages.now())


def _leave(pages: Pages, request: Request) -> Response:
    """Sign out; what another site sends does nothing."""
    if not same_origin(request):
        return _form(pages, START, "This form was sent from another site. You are still signed in.", 403)
    session: Session = request.scope["session"]
    pages.sessions.close(session, pages.now())
    response = guarded(RedirectResponse("/sign-in", 303))
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _form(pages: Pages, page: str, problem: str = "", status: int = 200) -> Response:
    return pages.html("sign_in.html", status, next=page, problem=problem)


def _signed_in(request: Request, cookie: str, page: str) -> Response:
    """Set the cookie, which no script reads and no other site sends, and go to the page."""
    response = guarded(RedirectResponse(page, 303))
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def _page(said: str | None) -> str:
    return said if said is not None and _PAGE.fullmatch(said) else START
