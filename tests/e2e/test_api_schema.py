"""The API's description: it is what the routes are, and whatever fits it is answered as it says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.api.app import make_api, make_routes
from gateway.api.permissions import ALLOWED
from gateway.api.schema import FILE, described, text_of
from gateway.ledger.open import open_ledger
from tests.fakes.front import NOW, FakeFront


def test_the_description_in_the_repository_is_that_of_the_routes() -> None:
    assert FILE.read_text(encoding="utf-8") == text_of(make_routes()), "renew it: python -m gateway.api.schema"


def test_each_operation_says_who_may_use_it_and_that_errors_are_problems() -> None:
    document = described(make_routes())
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        assert path.startswith("/api/v1/")
        for operation in operations.values():
            assert operation["x-permission"] in {*ALLOWED, "public"}
            assert operation["summary"]
            assert operation["description"]
            assert "422" not in operation["responses"]
            error = operation["responses"]["default"]["content"]["application/problem+json"]["schema"]
            assert error == {"$ref": "#/components/schemas/Problem"}
            assert ("security" in operation) == (operation["x-permission"] != "public")


def test_the_description_is_whole() -> None:
    text = FILE.read_text(encoding="utf-8")
    document = json.loads(text)
    names = set(document["components"]["schemas"])
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used == names
    ids = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]
    assert len(set(ids)) == len(ids)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    ledger = open_ledger("sqlite", tmp_path_factory.mktemp("house"))
    front = FakeFront(ledger)
    front.team("search")
    front.initiative("PROJ-1")
    front.call(1, key_id="k", tags={"team": "search"})
    _, key = front.key("admin")
    yield make_api(front, lambda: NOW), key
    ledger.close()


PATHS = described(make_routes())["paths"]
OPERATIONS = sorted(f"{method.upper()} {path}" for path, operations in PATHS.items() for method in operations)
PUBLIC = "GET /api/v1/openapi.json"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_fits_the_description_and_what_does_not_is_answered_as_it_says(
    operation: str, mode: GenerationMode, house: tuple[Any, str]
) -> None:
    if operation == PUBLIC and mode is GenerationMode.NEGATIVE:
        return  # It takes nothing, so nothing can be wrong about it.
    app, key = house
    method, _, path = operation.partition(" ")
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)

    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        case.call_and_validate(headers={"authorization": f"Bearer {key}"}, checks=CHECKS)

    holds()
