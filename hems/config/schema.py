"""The configuration model with all adapter types in it, its JSON schema, and look-ups in that schema."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Protocol, cast

from pydantic import BaseModel, Field, create_model

from hems.config.limit_models import RelaySettings
from hems.config.mistakes import KeyPath
from hems.config.models import Configuration, DeviceSettings, GridConnectionPointSettings

Schema = Mapping[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class AdapterRegistry(Protocol):
    """The kinds of adapters that exist, as annotations for their settings (a union told apart by `type`)."""

    def device_settings(self) -> Any:
        """The annotation for the `adapter` of a device."""

    def meter_settings(self) -> Any:
        """The annotation for the meter at the grid connection point."""

    def contacts_settings(self) -> Any:
        """The annotation for the `adapter` of a group of relays."""


def configuration_model(registry: AdapterRegistry) -> type[Configuration]:
    """The configuration model in which `adapter` and `meter` take the settings of every known adapter."""
    device: Any = _refined(DeviceSettings, adapter=registry.device_settings())
    grid: Any = _refined(GridConnectionPointSettings, meter=registry.meter_settings() | None)
    relay: Any = _refined(RelaySettings, adapter=registry.contacts_settings())
    root: Any = _refined(
        Configuration,
        devices=tuple[device, ...],
        grid_connection_point=grid,
        relays=tuple[relay, ...],
    )
    return cast(type[Configuration], root)


def schema_text(registry: AdapterRegistry) -> str:
    """The JSON schema for editors, as the text of `config/hems.schema.json`."""
    schema = configuration_model(registry).model_json_schema()
    return json.dumps({"$schema": _DIALECT, **schema}, indent=2, ensure_ascii=False) + "\n"


def _refined(base: type[BaseModel], **annotations: Any) -> Any:
    """`base` with narrower types for some fields; descriptions, ranges and defaults stay."""
    fields: dict[str, Any] = {}
    for name, annotation in annotations.items():
        info = base.model_fields[name]
        for constraint in info.metadata:
            annotation = Annotated[annotation, constraint]
        fields[name] = (annotation, Field(default=info.default, description=info.description))
    return create_model(base.__name__, __base__=base, __doc__=base.__doc__, **fields)


class SchemaGuide:
    """Answers what would be right at a path, from the JSON schema of the configuration."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def at(self, path: KeyPath, data: object) -> Schema:
        """The schema of the value at `path`; `data` decides between alternatives by their `type`."""
        schema: Schema = self._resolve(self._root, data)
        for part in path:
            data = _child(data, part)
            if isinstance(part, int):
                child = schema.get("items", {})
            else:
                others = schema.get("additionalProperties")
                child = schema.get("properties", {}).get(part, others if isinstance(others, Mapping) else {})
            schema = self._resolve(child, data)
        return schema

    def known_keys(self, path: KeyPath, data: object) -> tuple[str, ...]:
        """The keys that the section at `path` may have."""
        return tuple(self.at(path, data).get("properties", {}))

    def expected(self, path: KeyPath, data: object) -> str:
        """What belongs at `path`, in plain words, with its meaning."""
        schema = self.at(path, data)
        words = _describe(schema)
        meaning = schema.get("description", "")
        return f"{words} ({meaning.rstrip('.')})" if meaning and "properties" not in schema else words

    def _resolve(self, schema: Schema, data: object) -> Schema:
        """Follow references, take the non-null alternative, and choose adapters by their `type`."""
        own_words = {key: schema[key] for key in ("description",) if key in schema}
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            return {**self._resolve(self._root["$defs"][name], data), **own_words}
        if "discriminator" in schema:
            reference = schema["discriminator"]["mapping"].get(_child(data, "type"))
            return self._resolve({"$ref": reference}, data) if reference else schema
        if "anyOf" in schema:
            real = [option for option in schema["anyOf"] if option.get("type") != "null"]
            nullable = {"nullable": len(real) < len(schema["anyOf"])}
            if len(real) == 1:
                return {**self._resolve(real[0], data), **nullable, **own_words}
        return schema


def _child(data: object, part: str | int) -> object:
    if isinstance(data, Mapping):
        return data.get(part)
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return data[part]
    return None


def _describe(schema: Schema) -> str:
    null = " or null" if schema.get("nullable") else ""
    if "const" in schema:
        return f"'{schema['const']}'{null}"
    if "enum" in schema:
        return f"one of {', '.join(str(value) for value in schema['enum'])}{null}"
    if "discriminator" in schema:
        return f"a section whose 'type' is one of {', '.join(schema['discriminator']['mapping'])}"
    if "properties" in schema:
        return f"a section with the keys {', '.join(schema['properties'])}"
    match schema.get("type"):
        case "integer":
            return f"a whole number{_range(schema)}{null}"
        case "number":
            return f"a number{_range(schema)}{null}"
        case "boolean":
            return f"true or false{null}"
        case "string" if schema.get("format") == "date":
            return f"a date such as 2024-05-31 (YYYY-MM-DD, quoted or not){null}"
        case "string":
            return f"a text{_length(schema)}{null}"
        case "array":
            return f"a list{_length(schema)}{null}"
        case _:
            return "another value"


def _range(schema: Schema) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None and high is None:
        return ""
    if high is None:
        return f" above {low:g}" if "exclusiveMinimum" in schema else f" of {low:g} or more"
    if low is None:
        return f" of {high:g} or less"
    start = f"above {low:g} up to" if "exclusiveMinimum" in schema else f"from {low:g} to"
    return f" {start} {_plain(high)}"


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


def _length(schema: Schema) -> str:
    high = schema.get("maxLength", schema.get("maxItems"))
    low = schema.get("minLength", schema.get("minItems"))
    if high is None:
        return ""
    unit = "characters" if "maxLength" in schema else "entries"
    return f" of {low} to {high} {unit}" if low else f" of at most {high} {unit}"
