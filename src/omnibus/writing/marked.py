"""YAML with line numbers: the values by ruamel's safe, pure loader (YAML 1.2), the lines beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from omnibus.errors import InputError
from omnibus.settings.words import suggest

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Marked:
    """Hold what a YAML text says, and the line of each key and entry.

    Args:
        source: file for errors, e.g. ``messages/launch.md``.
        fault: the error class to raise.
    """

    value: Mapping[str, Any]
    source: str
    fault: type[InputError]
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, *path: str | int) -> int:
        """Give the line of a key, or of the nearest thing around it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)

    def wrong(self, what: str, *path: str | int, fix: str = "") -> InputError:
        """Make the error for what stands at *path*."""
        return self.fault(what, where=f"{self.source}:{self.line(*path)}", fix=fix)

    def only(self, table: Mapping[str, Any], known: Collection[str], *path: str | int) -> None:
        """Refuse keys that nobody knows.

        Raises:
            InputError: with the nearest known key.
        """
        for key in table:
            if key not in known:
                raise self.wrong(f"unknown key `{key}`", *path, key, fix=suggest(str(key), known))


def read_yaml(text: str, source: str, fault: type[InputError], first: int = 1) -> Marked:
    """Read a mapping.

    Args:
        first: the line of the file that *text* begins at.

    Raises:
        InputError: of class *fault*: no YAML, or no mapping.
    """
    try:
        value = YAML(typ="safe", pure=True).load(text)
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        raise _broken(error, text, source, fault, first + line) from None
    except RecursionError:
        fix = "write it without anchors that hold themselves"
        raise fault("nested too deep to be read", where=f"{source}:{first}", fix=fix) from None
    except (YAMLError, ValueError) as error:
        raise fault(f"not readable as YAML ({type(error).__name__})", where=f"{source}:{first}") from None
    if value is None:
        return Marked({}, source, fault, {(): first})
    if not isinstance(value, dict):
        raise fault("must be a mapping of keys", where=f"{source}:{first}", fix="write `key: value` lines")
    lines: dict[Path, int] = {(): first}
    try:
        _note(node, (), first, lines)
    except RecursionError:
        fix = "write it without anchors that hold themselves"
        raise fault("it holds itself", where=f"{source}:{first}", fix=fix) from None
    return Marked(value, source, fault, lines)


def _note(node: Node, path: Path, first: int, lines: dict[Path, int]) -> None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            lines[here] = first + key.start_mark.line
            _note(value, here, first, lines)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            lines[*path, index] = first + value.start_mark.line
            _note(value, (*path, index), first, lines)


def _broken(error: MarkedYAMLError, text: str, source: str, fault: type[InputError], line: int) -> InputError:
    problem = str(error.problem or "cannot be read").split(" with value ")[0].replace('"', "`")
    rows = text.splitlines()
    row = rows[error.problem_mark.line] if error.problem_mark and error.problem_mark.line < len(rows) else ""
    fix = 'put values with {{ … }} in quotes: key: "{{ … }}"' if "{{" in row else ""
    return fault(f"not readable as YAML: {problem}", where=f"{source}:{line}", fix=fix)
