"""The JSON schema: complete for people and editors, and the committed copy is not stale."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from adapters.registry import DEFAULT_REGISTRY
from hems.config import configuration_model, load, schema_text
from tests.unit.hems_config.registry import TEST_REGISTRY

CONFIG = Path(__file__).parents[3] / "config"


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, model in {"Configuration": schema, **schema["$defs"]}.items():
        for key, field in model.get("properties", {}).items():
            yield f"{name}.{key}", field


def _alternatives(field: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield field
    yield from field.get("anyOf", ())


OUR_SCHEMA = configuration_model(TEST_REGISTRY).model_json_schema()
OUR_FIELDS = [item for item in _fields(OUR_SCHEMA) if not item[0].endswith(".type")]


@pytest.mark.parametrize(("path", "field"), OUR_FIELDS, ids=[path for path, _ in OUR_FIELDS])
def test_every_field_has_a_meaning_and_every_number_its_range(path: str, field: Mapping[str, Any]) -> None:
    assert field.get("description", "").endswith(".") or "$ref" in field, (
        "a section may be explained by itself"
    )
    for form in _alternatives(field):
        if form.get("type") in ("number", "integer"):
            assert "minimum" in form or "exclusiveMinimum" in form
            assert "maximum" in form or "exclusiveMaximum" in form


def test_every_number_of_the_gateway_has_a_unit() -> None:
    ours = [
        (path, field) for path, field in OUR_FIELDS if not path.startswith(("Modbus", "Sunspec", "Meter"))
    ]
    numbers = [
        (path, field)
        for path, field in ours
        if any(form.get("type") in ("number", "integer") for form in _alternatives(field))
    ]
    assert numbers
    assert [path for path, field in numbers if "unit" not in field] == []


def test_the_committed_schema_is_not_stale() -> None:
    assert (CONFIG / "hems.schema.json").read_text() == schema_text(DEFAULT_REGISTRY), (
        "run: hems config schema --output config/hems.schema.json"
    )


def test_the_schema_is_json_with_its_dialect() -> None:
    assert json.loads(schema_text(TEST_REGISTRY))["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.name)
def test_the_example_configurations_are_right_and_name_the_schema(path: Path) -> None:
    load(path, DEFAULT_REGISTRY)
    assert path.read_text().startswith("# yaml-language-server: $schema=hems.schema.json\n")
