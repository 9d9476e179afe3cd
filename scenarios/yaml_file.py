"""YAML with line numbers, read so that a country code is never taken for a truth value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scenarios.errors import ScenarioError

KeyPath = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Safe loader that takes only true and false as truth values: ``NO`` is Norway."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


@dataclass(frozen=True)
class YamlFile:
    """Content of a YAML mapping and the line on which each of its keys stands."""

    path: Path
    data: dict[str, Any]
    lines: dict[KeyPath, int]

    def error(self, what: str, key: KeyPath = ()) -> ScenarioError:
        """Build an error at a key; falls back on the nearest key above that has a line."""
        above = key
        while above and above not in self.lines:
            above = above[:-1]
        return ScenarioError(
            what,
            file=self.path,
            row=self.lines.get(above),
            column=key_text(key) if key else None,
        )


def key_text(key: KeyPath) -> str:
    """Write a key path for people: ``curves[0].demand_mw`` with lists counted from 1."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text


def parse_value(text: str) -> Any:
    """Read a single value as YAML would: number, true/false, list or text.

    Examples
    --------
    >>> parse_value("0.08"), parse_value("true"), parse_value("NA")
    (0.08, True, 'NA')
    """
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError:
        return text


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML file whose top level is a mapping.

    Parameters
    ----------
    path
        File in UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ScenarioError("the file is missing", file=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"cannot read the file: {error}", file=path) from None
    try:
        node = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ScenarioError(f"not valid YAML: {error.problem}", file=path, row=line) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ScenarioError(f"not valid YAML: {error}", file=path) from None
    if not isinstance(data, dict):
        raise ScenarioError("the file must hold 'key: value' lines", file=path)
    lines: dict[KeyPath, int] = {}
    _collect_lines(path, node, (), lines)
    return YamlFile(path, {str(k): v for k, v in data.items()}, lines)


def _collect_lines(path: Path, node: Any, prefix: KeyPath, lines: dict[KeyPath, int]) -> None:
    """Note the line of every key below a node; refuse a key that stands twice."""
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            key = (*prefix, str(key_node.value))
            line = key_node.start_mark.line + 1
            if key in lines:
                raise ScenarioError(
                    f"the key stands already in line {lines[key]}; keep one",
                    file=path,
                    row=line,
                    column=key_text(key),
                )
            lines[key] = line
            _collect_lines(path, value_node, key, lines)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            lines[(*prefix, position)] = item.start_mark.line + 1
            _collect_lines(path, item, (*prefix, position), lines)
