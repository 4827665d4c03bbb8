"""The Spend page's addresses: /spend for people, /spend.json and /spend.csv with the same numbers."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reporting import spend
from reporting.web import spend_page, words
from reporting.web.edge import guarded
from reporting.web.names import Names
from reporting.web.pages import Pages
from reporting.web.view import Asked, Problem, asked, short


def routes(pages: Pages) -> list[Route]:
    """Give the addresses of the Spend page."""

    def show(request: Request) -> Response:
        said = _asked(request, pages)
        read = spend.spend(pages.ledger, said.view, pages.now())
        context = spend_page.page(read, Names(pages.registry))
        status = 400 if said.problems else 200
        return pages.html("spend.html", status, problems=said.problems, dimensions=_dimensions(), **context)

    def json(request: Request) -> Response:
        said = _asked(request, pages)
        if said.problems:
            return _refused(said.problems)
        read = spend.spend(pages.ledger, said.view, pages.now())
        body = msgspec.json.encode(spend_page.as_json(read))
        return guarded(Response(body, media_type="application/json"))

    def csv(request: Request) -> Response:
        said = _asked(request, pages)
        if said.problems:
            return _refused(said.problems)
        read = spend.spend(pages.ledger, said.view, pages.now())
        view = said.view
        name = f"spend-{view.since:%Y%m%d}-{view.until:%Y%m%d}.csv"
        head = {"content-disposition": f'attachment; filename="{name}"'}
        return guarded(Response(spend_page.csv(read), headers=head, media_type="text/csv; charset=utf-8"))

    return [Route("/spend", show), Route("/spend.json", json), Route("/spend.csv", csv)]


def _asked(request: Request, pages: Pages) -> Asked:
    return asked(request.query_params.multi_items(), pages.now().date())


def _dimensions() -> list[tuple[str, str, str]]:
    """Give what a form offers: the word in the address, the dimension, its name."""
    return [(short(name), name, word) for name, word in words.DIMENSION_WORDS.items()]


def _refused(problems: tuple[Problem, ...]) -> Response:
    """Tell a program which parameters cannot be read, and why."""
    tree = {
        "type": "about:blank",
        "title": "Some parameters cannot be read",
        "status": 400,
        "detail": " ".join(f"{problem.parameter}: {problem.why}" for problem in problems),
        "errors": [{"parameter": problem.parameter, "detail": problem.why} for problem in problems],
    }
    return guarded(Response(msgspec.json.encode(tree), 400, media_type="application/problem+json"))
