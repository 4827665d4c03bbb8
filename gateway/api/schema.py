"""The API's own description: OpenAPI 3.1, written into the repository and served from there.

Renew it after a change of routes: python -m gateway.api.schema
"""

import json
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Response

from gateway.api.permissions import Public, permission_of
from gateway.api.problems import MEDIA_TYPE, Problem

FILE = Path(__file__).with_name("openapi.json")

router = APIRouter(prefix="/api/v1", tags=["description"])


@router.get("/openapi.json", response_class=Response, responses={200: {"content": {"application/json": {}}}})
def get_description(_: Annotated[None, Depends(Public())]) -> Response:
    """Give this description."""
    return Response(FILE.read_bytes(), media_type="application/json")


def described(app: FastAPI) -> dict[str, Any]:
    """Give the description of an API: its routes, who may use each, and the one shape of all errors."""
    document = app.openapi()
    for route in app.routes:
        for method in getattr(route, "methods", ()):
            operation = document["paths"][getattr(route, "path", "")][method.lower()]
            operation["x-permission"] = permission_of(route)
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {
                "description": "Refused or failed.",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    return document


def text_of(app: FastAPI) -> str:
    """Give the description as it stands in the file."""
    return json.dumps(described(app), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    from gateway.api.app import make_routes

    FILE.write_text(text_of(make_routes()), encoding="utf-8")
