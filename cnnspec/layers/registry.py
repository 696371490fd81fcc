"""The names of operations enter, their classes leave, imported when they are first asked for.

A spec uses a few operations; to import them all would take a third of a check's time.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnspec.layers.layer import Layer


class Operations(MutableMapping[str, "type[Layer]"]):
    """Classes by the operation's name.

    Args:
        families: modules of `cnnspec.layers` with the operations that each holds.
    """

    def __init__(self, families: dict[str, str]) -> None:
        self._families = {
            op: family for family, ops in families.items() for op in ops.split()
        }
        self._found: dict[str, type[Layer]] = {}

    def __getitem__(self, name: str) -> type[Layer]:
        found = self._found.get(name)
        if found is None:
            family = self._families[name]
            self._take_up(import_module(f"cnnspec.layers.{family}").__dict__, family)
            found = self._found[name]
        return found

    def _take_up(self, names: dict[str, object], family: str) -> None:
        for cls in names.values():
            op = getattr(cls, "op", "") if isinstance(cls, type) else ""
            if self._families.get(op) == family:
                self._found[op] = cls  # type: ignore[assignment]  # only layers have an `op`

    def __contains__(self, name: object) -> bool:
        return name in self._families

    def __iter__(self) -> Iterator[str]:
        return iter(self._families)

    def __len__(self) -> int:
        return len(self._families)

    def __setitem__(self, name: str, cls: type[Layer]) -> None:
        self._families[name] = ""
        self._found[name] = cls

    def __delitem__(self, name: str) -> None:
        del self._families[name]
        self._found.pop(name, None)
