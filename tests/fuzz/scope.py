"""Values enter; they leave as they are, or as expressions of what may be named at that place."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from cnnspec.shapes import Shape

Entry = dict[str, Any]


class Block(NamedTuple):
    """A block that was made for one use, and what that use was."""

    spec: dict[str, Any]
    given: dict[str, Any]  # values of the arguments there
    shape: Shape
    output: Shape


class Names:
    """The whole spec's: its variables and blocks, and a fresh name for each kind of thing."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.variables: dict[str, Any] = {}
        self.blocks: dict[str, Block] = {}
        self.used: dict[str, int] = {}

    def fresh(self, kind: str) -> str:
        self.used[kind] = self.used.get(kind, 0) + 1
        return f"{kind}_{self.used[kind]}"


class Scope:
    """What a place sees: layers by name with their shapes, and values by name.

    Args:
        arguments: those of the block it is in, which may still grow; None at top level.
    """

    def __init__(
        self,
        names: Names,
        arguments: dict[str, Any] | None,
        in_channels: int | None,
    ) -> None:
        self.names, self.source = names, names.source
        self.arguments, self.in_channels = arguments, in_channels
        self.local: dict[str, tuple[str, int]] = {}  # `let`: what it says and is
        self.layers: dict[str, Shape] = {}
        self.again: dict[str, tuple[Shape, Shape]] = {}  # what may be reused

    def inner(self) -> Scope:
        """That of a list inside: what is named there is not seen here."""
        scope = Scope(self.names, self.arguments, self.in_channels)
        scope.local = self.local
        scope.layers, scope.again = dict(self.layers), dict(self.again)
        return scope

    def keep(self, inner: Scope) -> None:
        """Sees what a list saw that became part of this one."""
        self.layers, self.again = inner.layers, inner.again

    def said(self, value: Any, often: float = 1) -> Any:
        """The value, or an expression that comes to it here."""
        share = 0.1 if self.arguments is None else 0.35
        if self.source.random() >= share * often:
            return value
        if type(value) is list and value and all(type(v) is int for v in value):
            at = self.source.randrange(len(value))
            return [*value[:at], self.said(value[at], 3), *value[at + 1 :]]
        if type(value) is int:
            return self._whole(value)
        if type(value) is bool:
            return self._truth(value)
        if type(value) is float:
            name = self._named(value)
            return f"${name}" if self.source.random() < 0.7 else f"$({name} * 1)"
        if type(value) is str and value not in ("stem",):
            return f"${self._named(value)}"
        return value

    def condition(self, value: bool) -> Any:
        """Of a `when`."""
        return self._truth(value) if self.source.random() < 0.7 else value

    def _known(self) -> dict[str, Any]:
        seen = {n: v for n, (_, v) in self.local.items()}
        return {**self.names.variables, **(self.arguments or {}), **seen}

    def _named(self, value: Any) -> str:
        """A name with this value, a new argument or variable where none has it."""
        same = [
            n for n, v in self._known().items() if v == value and type(v) is type(value)
        ]
        if same and self.source.random() < 0.5:
            return self.source.choice(same)
        if self.arguments is not None and self.source.random() < 0.85:
            name = self.names.fresh("arg")
            self.arguments[name] = value
            return name
        name = self.names.fresh("var")
        self.names.variables[name] = value
        return name

    def _whole(self, value: int) -> str:
        near = self._near(value)
        kind = self.source.random()
        if near and kind < 0.45:
            return self.source.choice(near)
        if self.arguments is not None and kind < 0.55 and value > 1:
            base = self._named(value - 1)
            if (self.arguments or {}).get(base) == value - 1:
                name = self.names.fresh("local")
                self.local[name] = (f"$({base} + 1)", value)
                return f"${name}"
        if kind < 0.65:
            return f"$({self._named(value + 1)} - 1)"
        if kind < 0.75 and value % 2 == 0:
            return f"$(2 * {self._named(value // 2)})"
        if kind < 0.8:
            return f"$({self._named(2 * value)} // 2)"
        if kind < 0.85:
            return f"$(max({value}, {self._named(value)}))"
        return f"${self._named(value)}"

    def _near(self, value: int) -> list[str]:
        """What comes to the value from what is known."""
        known = {n: v for n, v in self._known().items() if type(v) is int}
        if self.in_channels is not None:
            known["in_channels"] = self.in_channels
        found = []
        for name, other in known.items():
            if other == value:
                found.append(f"${name}")
            elif other and value and value % other == 0:
                found.append(f"$({name} * {value // other})")
            elif value and other % value == 0:
                found.append(f"$(max(1, {name} // {other // value}))")
            elif 0 < value - other < 4:
                found.append(f"$({name} + {value - other})")
        return found

    def _truth(self, value: bool) -> str:
        channels, kind = self.in_channels, self.source.random()
        if channels is not None and kind < 0.3:
            least = self.source.choice((1, 2, 4, channels))
            return f"$(in_channels {'>=' if (channels >= least) == value else '<'} {least})"
        if kind < 0.5:
            return f"$(not {self._named(not value)})"
        return f"${self._named(value)}"
