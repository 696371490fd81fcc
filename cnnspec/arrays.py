"""Kinds of fields for arrays: the numbers of a kernel, and which filter sees which channel."""

from __future__ import annotations

from typing import Any, NamedTuple

from cnnspec.fields import LARGEST, Field, Plain, refuse

DEPTH = 6  # lists in lists: filters, channels, and up to three axes, or rows of centres

Nested = Any  # a number, or a tuple of Nested


class Given(NamedTuple):
    """The numbers of a kernel that never learns, each to be multiplied by the scale."""

    constant: Nested
    scale: float


class Numbers(Field[Nested]):
    """A number, or lists of numbers; whether their lengths agree the layer checks."""

    def accept(self, value: Plain) -> Nested:
        return _nested(value, DEPTH)

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "number"}
        for _ in range(DEPTH):
            many = {"type": "array", "items": schema, "minItems": 1}
            schema = {"anyOf": [{"type": "number"}, many]}
        return schema

    def samples(self) -> list[Plain]:
        return [0.5, [1, -1], [[1, -1, 2], [0, 2, -0.5]], [[[1, -2]], [[0, 1]]]]


_NUMBERS = Numbers(doc="Those of a weight.")


class Constant(Field["Given | None"]):
    """`{constant: NUMBERS, scale: NUMBER}`: a kernel that is given and never learns."""

    def accept(self, value: Plain) -> Given:
        if type(value) is not dict or not {"constant"} <= set(value) <= {
            "constant",
            "scale",
        }:
            refuse()
        scale = value.get("scale", 1)
        if not _is_number(scale):
            refuse()
        return Given(_NUMBERS.accept(value["constant"]), scale)

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {
                "constant": _NUMBERS.schema(),
                "scale": {"type": "number"},
            },
            "required": ["constant"],
            "additionalProperties": False,
        }

    def samples(self) -> list[Plain]:
        return [
            {"constant": 1, "scale": 0.5},
            *({"constant": numbers} for numbers in _NUMBERS.samples()),
            {"constant": [[0, 1], [1, -4]], "scale": -2},
        ]


class Connections(Field["tuple[tuple[int, ...], ...] | None"]):
    """For each filter the channels it sees, counted from 0."""

    def accept(self, value: Plain) -> tuple[tuple[int, ...], ...]:
        if type(value) is not list or not value or not all(map(_sees, value)):
            refuse()
        return tuple(map(tuple, value))

    def schema(self) -> dict[str, Any]:
        channel = {"type": "integer", "minimum": 0, "maximum": LARGEST}
        seen = {"type": "array", "items": channel, "minItems": 1}
        return {"type": "array", "items": seen, "minItems": 1}

    def samples(self) -> list[Plain]:
        return [
            [[0]],
            [[0, 1]],
            [[0], [0]],
            [[1], [0, 1]],
            [[0], [0], [0]],
            [[0, 1], [1], [0]],
            [[0, 1], [1, 0], [1], [0]],
            [[0, 3], [1], [0, 1, 2, 3]],
        ]


def shape_of(numbers: Nested) -> tuple[int, ...] | None:
    """The lengths of lists in lists, () of a number; None where they differ."""
    if not isinstance(numbers, tuple):
        return ()
    inner = {shape_of(item) for item in numbers}
    shape = inner.pop()
    return None if inner or shape is None else (len(numbers), *shape)


def _sees(value: Plain) -> bool:
    return (
        type(value) is list
        and bool(value)
        and all(type(v) is int and 0 <= v <= LARGEST for v in value)
    )


def _is_number(value: Plain) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= LARGEST)


def _nested(value: Plain, depth: int) -> Nested:
    if type(value) is list and value and depth:
        return tuple([_nested(item, depth - 1) for item in value])
    if not _is_number(value):
        refuse()
    return value
