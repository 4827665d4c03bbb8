"""What every answer of the pages carries and every request must pass: headers, same-origin posts, small bodies."""

from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import Response

FORM_BYTES_MAX = 4096
"""A sign-in form holds one key."""

POLICY = (
    "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline, no script at all, in nobody's frame."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: with it browsers send "Origin: null" with forms, which could not be told from a stranger's.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def guarded(response: Response, *, cache: str = "no-store") -> Response:
    """Give the answer with the headers that every one has; figures are kept by no cache."""
    response.headers.update(HEADERS)
    response.headers["cache-control"] = cache
    return response


def same_origin(request: Request) -> bool:
    """Say whether a form comes from a page of ours: by its Origin, or by what the browser says of the site."""
    origin = request.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == request.headers.get("host") and origin != "null"
    return request.headers.get("sec-fetch-site", "none") in {"same-origin", "none"}


async def form(request: Request) -> dict[str, str] | None:
    """Give the fields of a small form; None for a larger one or for what is no form."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return None
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > FORM_BYTES_MAX:
            return None
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=8)
    except ValueError:
        return None
    return {name: values[0] for name, values in fields.items()}
