"""From file, environment and options to one checked configuration, or to the list of all mistakes.

Order of precedence: defaults < file < environment (`HEMS__EEBUS__PORT=4712`) < options.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from hems.config.document import Document, read_document, read_scalar
from hems.config.mistakes import ConfigError, Finding, KeyPath, Mistake, nearest, show_path, shown
from hems.config.models import Configuration
from hems.config.relations import relations
from hems.config.schema import AdapterRegistry, SchemaGuide, configuration_model
from hems.config.section import Section
from hems.config.well_formed import WellFormed, well_formed

_PREFIX = "HEMS__"
_LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes; the rest is reserve for temporary names
SOCKET_NAME = "gateway.sock"

S = TypeVar("S", bound=Section)
Examine = Callable[[Configuration], Iterable[Finding]]


def load(
    path: Path,
    registry: AdapterRegistry,
    *,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    examine: Examine | None = None,
) -> Configuration:
    """Read and check the configuration file at `path`.

    `environment`: variables that begin with `HEMS__` count. `options`: dotted path (`eebus.port`) to value.
    `examine` looks deeper into what is right in its form, and yields the mistakes that it finds; it is not
    asked while the form of a section is wrong that devices are made with (`well_formed`).
    Relative paths in the result count from the folder of the file. Raises ConfigError with every mistake.
    """
    document = _read_file(path)
    origins = _Origins(str(path), document)
    mistakes = list(document.mistakes)
    for name, value in sorted((environment or {}).items()):
        if name.startswith(_PREFIX):
            keys = tuple(part.lower() for part in name.removeprefix(_PREFIX).split("__"))
            mistakes += origins.overlay(keys, read_scalar(value), name)
    for dotted, option_value in (options or {}).items():
        mistakes += origins.overlay(tuple(dotted.split(".")), option_value, f"option {dotted}")
    if not document.data and mistakes:
        raise ConfigError(mistakes)

    model = configuration_model(registry)
    configuration: Configuration | None
    part: WellFormed | None = WellFormed(document.data, {})
    try:
        configuration = _validated(model, document.data)
    except ValidationError as error:
        guide = SchemaGuide(model.model_json_schema())
        mistakes += [_explain(details, document.data, guide, origins) for details in _causes(error)]
        part = well_formed(document.data, [details["loc"] for details in error.errors()])
        configuration = None if part is None else _validated(model, part.data)
    mistakes += [origins.mistake(*finding) for finding in relations(document.data)]
    if part is not None and configuration is not None:
        configuration = _with_absolute_paths(path, configuration)
        mistakes += _paths(configuration, origins)
        if "profile_folders" in document.data:  # the folder of the default need not be there
            mistakes += _missing_folders(configuration, origins)
        for place, problem, remedy in examine(configuration) if examine is not None else ():
            mistakes.append(origins.mistake(part.in_file(place), problem, remedy))
    if mistakes or configuration is None:
        raise ConfigError(_in_reading_order(mistakes, str(path)))
    return configuration


def _validated(model: type[Configuration], data: Mapping[str, object]) -> Configuration:
    # The strict JSON mode takes a text only where a text belongs and never `true` for a number.
    return model.model_validate_json(json.dumps(data), strict=True)


def _in_reading_order(mistakes: list[Mistake], file: str) -> list[Mistake]:
    """The file from top to bottom, then the other sources; one mistake a place, the first found."""
    first = {(mistake.source, mistake.line, mistake.path): mistake for mistake in reversed(mistakes)}
    return sorted(
        first.values(), key=lambda mistake: (mistake.source != file, mistake.line or 0, mistake.path)
    )


def _read_file(path: Path) -> Document:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            [Mistake(str(path), None, "", f"not UTF-8 text (byte {error.start})", "Save the file as UTF-8")]
        ) from error
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        remedy = "Name the file with --config FILE; config/minimal.yaml is a beginning"
        raise ConfigError([Mistake(str(path), None, "", problem, remedy)]) from error
    return read_document(text, str(path))


def _with_absolute_paths(path: Path, configuration: Configuration) -> Configuration:
    folders = tuple(_absolute(path, folder) for folder in configuration.profile_folders)
    update: dict[str, object] = {
        "data_dir": _absolute(path, configuration.data_dir),
        "profile_folders": folders,
        "devices": tuple(device.looked_up_in(folders) for device in configuration.devices),
    }
    if configuration.mqtt is not None:
        mqtt = _with_absolute_files(path, configuration.mqtt, "password_file")
        if configuration.mqtt.tls is not None:
            files = ("ca_file", "certificate_file", "key_file")
            mqtt = mqtt.model_copy(update={"tls": _with_absolute_files(path, configuration.mqtt.tls, *files)})
        update["mqtt"] = mqtt
    return configuration.model_copy(update=update)


def _with_absolute_files(path: Path, section: S, *names: str) -> S:
    named = {name: getattr(section, name) for name in names}
    files = {name: _absolute(path, file) for name, file in named.items() if file is not None}
    return section.model_copy(update=files)


def _absolute(path: Path, folder: Path) -> Path:
    return (path.absolute().parent / folder.expanduser()).resolve()


class _Origins:
    """Where each value came from, and the overlaying of later sources."""

    def __init__(self, source: str, document: Document) -> None:
        self._source = source
        self._document = document
        self._overlaid: dict[KeyPath, str] = {}

    def overlay(self, keys: tuple[str, ...], value: object, source: str) -> list[Mistake]:
        """Set one value from `source` over the file's; a list item is named by its number."""
        node: Any = self._document.data
        part: Any
        path: KeyPath = ()
        for key in keys[:-1]:
            part = _index(node, key)
            path = (*path, part)
            if isinstance(node, dict):
                if node.get(part) is None:
                    node[part] = {}
                node = node[part]
            elif isinstance(node, list) and isinstance(part, int):
                node = node[part]
            else:
                return [self._no_such_place(source, path)]
        last: Any = _index(node, keys[-1])
        path = (*path, last)
        if not (isinstance(node, dict) or (isinstance(node, list) and isinstance(last, int))):
            return [self._no_such_place(source, path)]
        node[last] = value
        self._overlaid[path] = source
        return []

    def mistake(self, path: KeyPath, problem: str, remedy: str) -> Mistake:
        """A mistake at `path`, with the place where its value was written."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._overlaid:
                return Mistake(self._overlaid[path[:length]], None, show_path(path), problem, remedy)
            if path[:length] in self._document.lines:
                break
        return Mistake(self._source, self._document.line_of(path), show_path(path), problem, remedy)

    def _no_such_place(self, source: str, path: KeyPath) -> Mistake:
        return Mistake(
            source, None, show_path(path), "there is no such place", "Name list items by number from 0"
        )


def _index(node: object, key: str) -> str | int:
    if isinstance(node, list) and key.isdigit() and int(key) < len(node):
        return int(key)
    return key


def _causes(error: ValidationError) -> list[Any]:
    """The findings of the model, but not that a list is too short for entries of it that are wrong."""
    found: list[Any] = error.errors()
    above = {details["loc"][:length] for details in found for length in range(len(details["loc"]))}
    return [details for details in found if details["type"] != "too_short" or details["loc"] not in above]


def _explain(details: Any, data: object, guide: SchemaGuide, origins: _Origins) -> Mistake:
    """One finding of the model in plain words."""
    path = _path_in_data(details["loc"], data)
    kind = details["type"]
    given = shown(details["input"])
    match kind:
        case "extra_forbidden":
            return _unknown_key(path, data, guide, origins)
        case "missing":
            missing = (*path, details["loc"][-1])
            return origins.mistake(missing, "is missing", f"Add it: {guide.expected(missing, data)}")
        case "union_tag_not_found":
            remedy = f"Add it: {guide.expected(path, data)}"
            return origins.mistake((*path, "type"), "is missing", remedy)
        case "union_tag_invalid":
            tag = str(details["ctx"]["tag"])
            known = [name.strip(" '") for name in details["ctx"]["expected_tags"].split(",")]
            return origins.mistake((*path, "type"), f"'{tag}' is not known", nearest(tag, known))
        case "value_error" | "assertion_error":
            reason = str(details["ctx"]["error"]).rstrip(".") if "ctx" in details else details["msg"]
            return origins.mistake(
                path, f"{given} cannot be used: {reason}", f"Right: {guide.expected(path, data)}"
            )
        case "string_type":
            return origins.mistake(path, f"{given} is not a text", "Put it in quotes")
        case _:
            return origins.mistake(path, f"{given} is not right here", f"Right: {guide.expected(path, data)}")


def _path_in_data(location: tuple[str | int, ...], data: object) -> KeyPath:
    """Drop the parts of a model location that name alternatives; they do not stand in the file."""
    path: KeyPath = ()
    node: Any = data
    for part in location:
        if (isinstance(node, Mapping) and part in node) or (isinstance(node, list) and isinstance(part, int)):
            node = node[part]  # type: ignore[index]  # the condition pairs the kinds of key and container
            path = (*path, part)
    return path


def _unknown_key(path: KeyPath, data: object, guide: SchemaGuide, origins: _Origins) -> Mistake:
    key = str(path[-1])
    known = list(guide.known_keys(path[:-1], data))
    return origins.mistake(path, f"the key '{key}' is not known here", nearest(key, known))


def _missing_folders(configuration: Configuration, origins: _Origins) -> list[Mistake]:
    return [
        origins.mistake(
            ("profile_folders", index), f"there is no folder {folder}", "Make it, or remove it here"
        )
        for index, folder in enumerate(configuration.profile_folders)
        if not folder.is_dir()
    ]


def _paths(configuration: Configuration, origins: _Origins) -> list[Mistake]:
    socket_path = str(configuration.data_dir / SOCKET_NAME)
    if len(socket_path.encode()) > _LONGEST_SOCKET_PATH:
        problem = f"{configuration.data_dir} is too long a path for the local socket in it"
        return [
            origins.mistake(
                ("data_dir",), problem, f"Use a path of at most {_LONGEST_SOCKET_PATH - 13} bytes"
            )
        ]
    return []
