"""Sources of helpers enter; what a program holds of them leaves, each name once.

A helper is a function or class that a layer's emission writes beside the model. No name of a
spec begins with `_`, so `_NAME` is a helper's own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cnnspec.emit.site import Inexpressible

if TYPE_CHECKING:
    from cnnspec.spec import Entry


@lru_cache(maxsize=256)
def private(name: str, source: str) -> str:
    """The source of a helper under the name that it has in the program.

    Raises: ValueError where it is anything but one function or class of that name, or imports.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        place = f"line {error.lineno}"
        raise ValueError(
            f"helper `{name}` is no Python: {error.msg}, {place}"
        ) from None
    made = [getattr(part, "name", None) for part in tree.body]
    if made != [name] or isinstance(tree.body[0], ast.AsyncFunctionDef):
        raise ValueError(f"helper `{name}` is not one `def {name}` or `class {name}`")
    if any(isinstance(part, ast.Import | ast.ImportFrom) for part in ast.walk(tree)):
        raise ValueError(f"helper `{name}` has an import: a program has its own")
    return re.sub(
        rf"^(def|class) {name}\b", rf"\1 _{name}", source, count=1, flags=re.M
    )


class Helper(NamedTuple):
    """A source, and the entry that asked for it first."""

    source: str
    entry: Entry


def unite(held: dict[str, Helper], more: Mapping[str, Helper]) -> None:
    """Adds helpers to those that are held.

    Raises: Inexpressible (CS124) where a name is held with another source.
    """
    for name, helper in more.items():
        first = held.setdefault(name, helper)
        if first.source == helper.source:
            continue
        keys = sorted({first.entry.key, helper.entry.key})
        who = f"`{keys[0]}` and `{keys[-1]}` both write a helper `{name}`"
        if len(keys) == 1:
            who = f"`{keys[0]}` writes two helpers `{name}`"
        fault = Inexpressible(
            "CS124", f"{who}, each with another source", "give a helper another name"
        )
        fault.entry = helper.entry
        raise fault
