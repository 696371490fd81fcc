"""A valid spec enters; the same with one to three mistakes leaves, as text."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.fuzz.specs import valid_specs

Path = tuple[str | int, ...]

# Values of another type, or of no type that a spec can hold there.
WRONG: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2.5, 4.0, 1e300, 10**19, "", "same", "x", "é", "$", "$$", "$(",
    "$nothing", "$(1 // 0)", "$(2 ** 99)", "$(1 +", "$width * 2", "$(index)", "$(in_channels)",
    "$('a')", [], [1, 2], [[1]], [None], {}, {"a": 1}, {"constant": []}, {"normal": {}}, "conv",
    "input", "layer_1", "class", "A b", "a" * 70,
)  # fmt: skip
KEYS = ("nmae", "name", "from", "when", "repeat", "trainable", "init", "filters", "with",
        "body", "branches", "conv", "add", "Conv", "x-note", "layers", "head", "reuse", "")  # fmt: skip
TOKENS = (
    ":", "-", ",", "{", "}", "[", "]", "\n", "\n  ", "\t", "#", "&a", "*a", "!!int", "<<", "'", '"',
    "|", ">", "?", "@", "%", "\0", "\ufeff", "é", "~", "$(", ")", "---", "...", " ",
)  # fmt: skip


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    """Where something stands in a document, the outermost first."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*here, key)
        yield from paths(inner, (*here, key))


def at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


Break = Callable[[Any, random.Random], Any]


def _place(document: Any, source: random.Random) -> tuple[Any, Any]:
    """A container in the document and a key of it."""
    path = source.choice(list(paths(document)))
    return at(document, path[:-1]), path[-1]


def _other_value(document: Any, source: random.Random) -> None:
    container, key = _place(document, source)
    container[key] = copy.deepcopy(source.choice(WRONG))


def _near_value(document: Any, source: random.Random) -> None:
    numbers = [p for p in paths(document) if type(at(document, p)) in (int, float)]
    if not numbers:
        return _other_value(document, source)
    path = source.choice(numbers)
    value = at(document, path)
    at(document, path[:-1])[path[-1]] = source.choice(
        (value + 1, value - 1, value * 7, -value, 0, value + 0.5, str(value), [value])
    )
    return None


def _moved_value(document: Any, source: random.Random) -> None:
    """A value from elsewhere in the document."""
    container, key = _place(document, source)
    container[key] = copy.deepcopy(at(document, source.choice(list(paths(document)))))


def _dropped(document: Any, source: random.Random) -> None:
    container, key = _place(document, source)
    del container[key]


def _doubled(document: Any, source: random.Random) -> None:
    lists = [p for p in paths(document) if isinstance(at(document, p), list)]
    found = at(document, source.choice(lists)) if lists else None
    if found:
        at_ = source.randrange(len(found))
        found.insert(source.randrange(len(found) + 1), copy.deepcopy(found[at_]))


def _other_key(document: Any, source: random.Random) -> None:
    """A key misspelt or another, or one too many."""
    mappings = [p for p in ((), *paths(document)) if isinstance(at(document, p), dict)]
    found = at(document, source.choice(mappings))
    if not found or source.random() < 0.4:
        found[source.choice(KEYS)] = copy.deepcopy(source.choice(WRONG))
        return
    key = source.choice(list(found))
    new = source.choice((key[:-1], key + "s", key.upper(), key[::-1], *KEYS))
    items = [(new if k == key else k, v) for k, v in found.items()]
    found.clear()
    found.update(items)


def _other_name(document: Any, source: random.Random) -> None:
    """A reference to something else."""
    texts = [p for p in paths(document) if isinstance(at(document, p), str)]
    if texts:
        path = source.choice(texts)
        others = [at(document, p) for p in texts]
        new = source.choice((*others, "nobody", "input", at(document, path)[:-1]))
        at(document, path[:-1])[path[-1]] = new


BREAKS: tuple[Break, ...] = (
    _other_value, _near_value, _moved_value, _dropped, _doubled, _other_key, _other_name,
)  # fmt: skip


def broken(text: str, source: random.Random) -> str:
    """The spec with mistakes in its values, or in its text."""
    kind = source.random()
    if kind < 0.7:
        document = json.loads(text)
        for _ in range(source.choice((1, 1, 1, 2, 3))):
            if document:
                source.choice(BREAKS)(document, source)
        return written(document, source)
    return _damaged(written(json.loads(text), source), source)


def written(document: Any, source: random.Random) -> str:
    """As JSON, or as YAML in one of its styles."""
    kind = source.random()
    if kind < 0.5:
        return json.dumps(document, ensure_ascii=source.random() < 0.5)
    flow = None if kind < 0.8 else False
    return yaml.dump(
        document, Dumper=yaml.CSafeDumper, default_flow_style=flow, sort_keys=False
    )


def _damaged(text: str, source: random.Random) -> str:
    for _ in range(source.choice((1, 1, 2))):
        start = source.randrange(len(text) + 1)
        end = min(len(text), start + source.choice((0, 0, 1, 2, 9)))
        kind = source.random()
        if kind < 0.5:
            text = text[:start] + source.choice(TOKENS) + text[end:]
        elif kind < 0.7:
            text = text[:start] + text[end:]
        elif kind < 0.85:
            other = source.randrange(len(text) + 1)
            text = text[:start] + text[other : other + 12] + text[start:]
        else:
            text = text[:start]
    return text


@st.composite
def broken_specs(draw: st.DrawFn) -> str:
    """Specs with mistakes; a few are valid all the same."""
    drawn = draw(valid_specs())
    return broken(drawn.text, draw(st.randoms(use_true_random=False)))
