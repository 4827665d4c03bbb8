"""The management API put together: every route behind a permission, every error a problem, nothing from elsewhere."""

from collections.abc import Callable
from datetime import datetime

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from gateway import clock
from gateway.api import applications, changes, initiatives, keys, me, people, requests, schema, spend, teams
from gateway.api.edge import Edge
from gateway.api.front import Front
from gateway.api.permissions import check_permissions
from gateway.api.problems import on_http, on_mistake, on_refused
from gateway.errors import Refused

ROUTERS = tuple(
    part.router for part in (me, spend, requests, keys, teams, applications, people, initiatives, changes, schema)
)


def make_api(house: Front, now: Callable[[], datetime] = clock.now) -> FastAPI:
    """Give the API of this house; raises RuntimeError where a route declares no permission (T11)."""
    app = make_routes()
    app.state.house, app.state.now = house, now
    return app


def make_routes() -> FastAPI:
    """Give the API without a house, as its description needs it."""
    # The framework's pages load scripts from a CDN, and its own description has no permission: both are off.
    app = FastAPI(
        title="Weighbridge",
        version="1",
        summary="Keys, teams, applications, initiatives and spend of a Weighbridge gateway.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    check_permissions(app.routes)
    app.add_middleware(Edge)
    app.add_exception_handler(Refused, on_refused)
    app.add_exception_handler(RequestValidationError, on_mistake)
    app.add_exception_handler(HTTPException, on_http)
    return app
