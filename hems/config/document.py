"""YAML 1.2 text to plain data with the line of every value; nothing here knows what the keys mean."""

import math
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hems.config.mistakes import KeyPath, Mistake, show_path

_MAX_DEPTH = 32
_MAX_NODES = 50_000
"""Values in a document, those that an alias repeats included: a few lines of aliases can mean billions."""
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}
_TEXT_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("timestamp", "binary", "merge", "value")}


@dataclass(slots=True)
class Document:
    """The content of one YAML document; `lines` maps the path of each key and item to its line."""

    data: dict[str, object] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def line_of(self, path: KeyPath) -> int | None:
        """The line of `path`, or of the nearest key above it that stands in the text."""
        for length in range(len(path), 0, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                return line
        return 1 if self.lines else None


def read_document(text: str, source: str) -> Document:
    """Read YAML text. Mistakes of form (syntax, double keys, foreign tags) are collected, never raised."""
    document = Document()
    reader = _Reader(source, document)
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        begun = f" (begun in line {error.context_mark.line + 1})" if error.context_mark else ""
        problem = f"not readable as YAML: {error.problem}{begun}"
        document.mistakes.append(
            Mistake(source, line, "", problem, "Check indentation, colons, brackets and quotes there")
        )
        return document
    except RecursionError:
        remedy = "Keep to the documented sections"
        document.mistakes.append(Mistake(source, None, "", "nested too deeply to be read", remedy))
        return document
    except YAMLError as error:
        problem = f"not readable as YAML: {' '.join(str(error).split())}"
        document.mistakes.append(Mistake(source, None, "", problem, "Save the file as plain UTF-8 text"))
        return document
    if root is None:
        return document
    if not isinstance(root, MappingNode):
        document.mistakes.append(
            Mistake(
                source, root.start_mark.line + 1, "", "not a list of 'key: value' lines", "Write e.g. 'site:'"
            )
        )
        return document
    document.data = reader.mapping(root, ())
    return document


def read_scalar(text: str) -> object:
    """Read one value as YAML would: `4712` is a number, `true` a switch, `[a, b]` a list.

    Text that is no YAML is taken as it is.
    """
    wrapped = read_document(f"value: {text}\n", "")
    if wrapped.mistakes or "\n" in text:
        return text
    return wrapped.data.get("value")


class _Reader:
    """Walks the nodes of one document."""

    def __init__(self, source: str, document: Document) -> None:
        self._source = source
        self._document = document
        self._scalars = YAML(typ="safe", pure=True).constructor
        self._nodes_left = _MAX_NODES

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else "?"
            line = key_node.start_mark.line + 1
            key_path = (*path, key)
            if key in found:
                twice = f"the key stands here twice (first in line {self._document.lines[key_path]})"
                self._mistake(line, key_path, twice, "Keep one of the two")
                continue
            self._document.lines[key_path] = line
            found[key] = self._value(value_node, key_path)
        return found

    def _value(self, node: Node, path: KeyPath) -> object:
        self._nodes_left -= 1
        if self._nodes_left <= 0:
            if self._nodes_left == 0:
                self._mistake(node.start_mark.line + 1, path[:1], "too many values", "Repeat less by aliases")
            return None
        if len(path) > _MAX_DEPTH:
            self._mistake(
                node.start_mark.line + 1, path[:3], "nested too deeply", "Keep to the documented sections"
            )
            return None
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            return self._sequence(node, path)
        return self._scalar(node, path)

    def _sequence(self, node: SequenceNode, path: KeyPath) -> list[object]:
        items: list[object] = []
        for index, item in enumerate(node.value):
            self._document.lines[(*path, index)] = item.start_mark.line + 1
            items.append(self._value(item, (*path, index)))
        return items

    def _scalar(self, node: Node, path: KeyPath) -> object:
        if node.tag in _TEXT_TAGS:
            return node.value
        if node.tag not in _PLAIN_TAGS:
            self._mistake(
                node.start_mark.line + 1, path, f"the tag '{node.tag}' is not known here", "Leave it out"
            )
            return None
        value: object = self._scalars.construct_object(node)
        if isinstance(value, float) and not math.isfinite(value):
            problem = f"'{node.value}' is not a number one can use"
            self._mistake(node.start_mark.line + 1, path, problem, "Write a finite number")
            return None
        return value

    def _mistake(self, line: int, path: KeyPath, problem: str, remedy: str) -> None:
        self._document.mistakes.append(Mistake(self._source, line, show_path(path), problem, remedy))
