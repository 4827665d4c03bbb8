"""Errors as programs and people can read them: problem+json (RFC 9457), a stable code, and never a trace."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from gateway.errors import Refused
from policies.refusal import Refusal

MEDIA_TYPE = "application/problem+json"
MISTAKES_MAX = 10


class Mistake(BaseModel):
    """One thing wrong with a request: where, and what. What was sent is not repeated: it may be a secret."""

    where: str
    message: str


class Problem(BaseModel):
    """An error. `code` is stable, `detail` says what to do, `request_id` finds it in the log."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[Mistake] | None = None


def problem(refusal: Refusal, request_id: str, mistakes: list[dict[str, str]] | None = None) -> Response:
    """Give the answer to a request that was refused. Its type is about:blank: `code` tells one from another."""
    told: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.message,
        "code": refusal.code,
        "request_id": request_id,
    }
    if mistakes:
        told["errors"] = mistakes
    headers = {"www-authenticate": "Bearer"} if refusal.status == 401 else {}
    if refusal.retry_after_s is not None:
        headers["retry-after"] = str(refusal.retry_after_s)
    return Response(msgspec.json.encode(told), refusal.status, headers, MEDIA_TYPE)


async def on_refused(request: Request, error: Exception) -> Response:
    """Answer where a rule or a step said no."""
    assert isinstance(error, Refused)
    return problem(error.refusal, request.state.request_id)


async def on_mistake(request: Request, error: Exception) -> Response:
    """Answer a request that does not have the form the route asks for."""
    assert isinstance(error, RequestValidationError)
    mistakes = [
        {"where": ".".join(str(step) for step in one["loc"])[:128], "message": str(one["msg"])[:256]}
        for one in error.errors()[:MISTAKES_MAX]
    ]
    detail = "The request does not have the form this route takes: see errors, and /api/v1/openapi.json."
    return problem(Refusal("bad_request", detail, 422), request.state.request_id, mistakes)


async def on_http(request: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses: no such route, no such method, a body that is not JSON."""
    assert isinstance(error, HTTPException)
    refusal = _HTTP.get(error.status_code) or Refusal("bad_request", "The request cannot be read.", error.status_code)
    answer = problem(refusal, request.state.request_id)
    if error.headers and "Allow" in error.headers:
        answer.headers["allow"] = error.headers["Allow"]
    return answer


_HTTP = {
    400: Refusal("bad_body", "The body cannot be read as JSON.", 400),
    404: Refusal("not_found", "There is no such route. /api/v1/openapi.json lists those there are.", 404),
    405: Refusal("method_not_allowed", "This route does not take this method.", 405),
}
