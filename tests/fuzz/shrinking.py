"""A spec that fails enters; the smallest that still fails in the same way leaves."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.fuzz.breaking import at, paths

MOST_TRIES = 250
SIMPLE = (1, 2, 0, True, False)


def shrink(text: str, fails: Callable[[str], bool]) -> str:
    """Drops entries, fields and containers, and takes simpler values, while it fails.

    Args:
        text: JSON.
        fails: whether a text still fails, in the way at hand.
    """
    document, tries = json.loads(text), 0
    changed = True
    while changed:
        changed = False
        for smaller in simpler(document):
            tries += 1
            if tries > MOST_TRIES:
                return json.dumps(document)
            if fails(json.dumps(smaller)):
                document, changed = smaller, True
                break
    return json.dumps(document)


def shrink_text(text: str, fails: Callable[[str], bool]) -> str:
    """The same of a text that may be no document: its lines and letters go."""
    for size in (400, 100, 30, 8, 2, 1):
        start, tries = 0, 0
        while start < len(text) and tries < 400:
            tries += 1
            shorter = text[:start] + text[start + size :]
            if fails(shorter):
                text = shorter
            else:
                start += size
    return text


def simpler(document: Any) -> Iterator[Any]:
    """Documents with one thing less, the largest steps first."""
    places = sorted(paths(document), key=len)
    for path in places:  # whole entries and fields
        if path not in (("cnnspec",), ("name",), ("layers",)):
            yield without(document, path)
    for path in places:  # containers become what is in them
        part = at(document, path)
        if isinstance(part, dict) and path[-1] in ("residual", "parallel"):
            lists = [v for v in part.values() if isinstance(v, list)]
            lists += [b for b in part.get("branches", ()) if isinstance(b, list)]
            for inner in lists:
                yield spliced(document, path[:-1], inner)
    for path in places:
        part = at(document, path)
        if isinstance(part, list) and part and all(type(v) is int for v in part):
            yield replaced(document, path, part[0])
        if type(part) in (int, float) and path != ("cnnspec",):
            for value in SIMPLE[:3]:
                if type(value) is type(part) and abs(value) < abs(part):
                    yield replaced(document, path, value)
        if type(part) is int and part > 3:
            yield replaced(document, path, part - 1)
        if isinstance(part, str) and part.startswith("$"):
            for value in SIMPLE:
                yield replaced(document, path, value)


def changed(document: Any, path: tuple[Any, ...], change: Callable[[Any], None]) -> Any:
    document = copy.deepcopy(document)
    change(at(document, path))
    return document


def without(document: Any, path: tuple[Any, ...]) -> Any:
    def drop(part: Any) -> None:
        del part[path[-1]]

    return changed(document, path[:-1], drop)


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    def put(part: Any) -> None:
        part[path[-1]] = value

    return changed(document, path[:-1], put)


def spliced(document: Any, path: tuple[Any, ...], inner: list[Any]) -> Any:
    """The entry at a path replaced by a list of entries."""

    def put(part: Any) -> None:
        part[path[-1] : path[-1] + 1] = copy.deepcopy(inner)

    return changed(document, path[:-1], put)
