"""Kinds of fields that say shapes: a plain value enters, sides, sizes or axes leave."""

from __future__ import annotations

from typing import Any

from cnnspec.fields import Field, Integer, Padding, Plain, refuse

REST = -1  # a size that follows from the others


class Sides(Padding):
    """A whole number, one per axis, or one per side (before, after by axis)."""

    WORDS = ()

    def schema(self) -> dict[str, Any]:
        one, _, many = super().schema()["anyOf"]
        return {"anyOf": [one, many]}

    def samples(self) -> list[Plain]:
        return [1, 2, 0, [1, 0], [2, 1], [0, 1, 2, 1], [1, 2]]


class Size(Integer):
    """A size of at least 1, or -1: what the other sizes leave."""

    def __init__(self, *, doc: str) -> None:
        super().__init__(None, least=1, doc=doc)

    def accept(self, value: Plain) -> int:
        return REST if type(value) is int and value == REST else super().accept(value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [super().schema(), {"const": REST}]}

    def samples(self) -> list[Plain]:
        return [REST, 2, 3, 4, 6]


class Axes(Field["tuple[int, ...]"]):
    """A list of axes, counted from 0; which there are only the input says."""

    def accept(self, value: Plain) -> tuple[int, ...]:
        if (
            type(value) is list
            and 1 <= len(value) <= 4
            and all(type(v) is int and 0 <= v <= 3 for v in value)
        ):
            return tuple(value)
        refuse()

    def schema(self) -> dict[str, Any]:
        axis = {"type": "integer", "minimum": 0, "maximum": 3}
        return {"type": "array", "items": axis, "minItems": 1, "maxItems": 4}

    def samples(self) -> list[Plain]:
        return [[1, 0], [2, 0, 1], [0, 2, 1], [1, 2, 0], [3, 1, 0, 2], [0, 1]]
