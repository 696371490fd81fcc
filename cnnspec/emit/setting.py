"""A spec's text and the values of `--set` enter; the text with these values leaves."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cnnspec.source import LINE_BREAK
from cnnspec.yamltree import Mapping

if TYPE_CHECKING:
    from cnnspec.source import Span
    from cnnspec.spec import Spec

_BEFORE = re.compile(r"\s*:\s*")
_ALIAS = re.compile(r"\*[^\s,\[\]{}]+")


def spec_text(text: str, spec: Spec, overrides: dict[str, Any]) -> str:
    """The spec's text, its variables set: what a program says it was generated from.

    A value with an anchor stays, for others may be its aliases: a comment says what was set.
    """
    section = spec.root.get("vars")
    if not overrides or not isinstance(section, Mapping):
        return text
    changes = []
    for name, value in overrides.items():
        key, node = section.key(name), section.get(name)
        assert key is not None and node is not None
        start = _index(text, key.span.end_line, key.span.end_column)
        before = _BEFORE.match(text, start)
        start = before.end() if before else start
        if text.startswith("&", start):
            return f"# built with {_options(overrides)}\n{text}"
        alias = _ALIAS.match(text, start)
        end = alias.end() if alias else _end(text, node.span)
        changes.append((start, end, json.dumps(value, ensure_ascii=False)))
    for start, end, value in sorted(changes, reverse=True):
        text = text[:start] + value + text[end:]
    return text


def _options(overrides: dict[str, Any]) -> str:
    values = {name: json.dumps(value) for name, value in overrides.items()}
    return " ".join(f"--set {name}={value}" for name, value in values.items())


def _end(text: str, span: Span) -> int:
    """The index after a value; a block's end mark stands on a later line."""
    end = _index(text, span.end_line, span.end_column)
    return len(text[:end].rstrip())


def _index(text: str, line: int, column: int) -> int:
    """The index of a place whose line and column count from 1."""
    start = 0
    for number, match in enumerate(LINE_BREAK.finditer(text), 2):
        if number > line:
            break
        start = match.end()
    return start + column - 1
