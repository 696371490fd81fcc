"""A field and what enters its layer go in; a value that it may take there leaves."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import prod
from typing import Any

from cnnspec.arrays import Connections, Constant
from cnnspec.extents import REST, Axes, Size
from cnnspec.fields import (
    EDGES,
    Counts,
    Declared,
    Field,
    Integer,
    Number,
    Padding,
    Parts,
    PerAxis,
)
from cnnspec.initializers import INITIALIZERS
from cnnspec.layers.layer import Layer
from cnnspec.shapes import MAPS, SEQUENCE, VECTOR, Shape

Values = dict[str, Any]

MOST_NUMBERS = 120  # of a kernel that is given


def draw_value(field: Field[Any], source: random.Random, shape: Shape) -> Any:
    """A value of the field's own range; whether it fits the layer only the layer knows."""
    for kind, draw in DRAWS:
        if isinstance(field, kind):
            return draw(field, source, shape)
    return source.choice(field.samples())


def draw_other(field: Field[Any], source: random.Random, shape: Shape) -> Any:
    """A value off the default."""
    for _ in range(20):
        value = draw_value(field, source, shape)
        if value != field.default:
            return value
    return value


def _size(field: Integer, source: random.Random, shape: Shape) -> int:
    channels = shape.channels or 1
    if field.name == "groups":
        return source.choice([n for n in range(1, channels + 1) if channels % n == 0])
    if field.name in ("filters", "units"):
        near = (channels, 2 * channels, max(1, channels // 2))
        return source.choice((1, 2, 3, 4, 5, 6, 8, *near))
    if field.name == "heads":
        return source.choice([n for n in (1, 2, 3, 4) if channels % n == 0])
    value = field.least + source.choice((0, 0, 1, 1, 2, 2, 3, 4, 5, 7))
    return min(value, field.most)


def _number(field: Number, source: random.Random, shape: Shape) -> Any:
    value = source.choice(field.samples())
    if source.random() < 0.6:
        return float(value) if type(value) is float else int(value)
    return _accepted(field, round(value * source.uniform(0.5, 1.5), 3), value)


def _accepted(field: Field[Any], value: Any, other: Any) -> Any:
    try:
        field.accept(value)
    except Exception:
        return other
    return value


def _per_axis(field: PerAxis, source: random.Random, shape: Shape) -> Any:
    steps: tuple[int, ...] = (0, 0, 1, 1, 1, 2, 2, 3, 4)
    if field.name == "size":
        steps = (0, 1, 2, 3, 4, 6, 8, 11)

    def one() -> int:
        return field.least + source.choice(steps)

    if shape.rank and source.random() < 0.45:
        return [one() for _ in range(shape.rank)]
    return one()


def _sides(field: Padding, source: random.Random, shape: Shape) -> Any:
    rank, kind = shape.rank or 2, source.random()
    if field.WORDS and kind < 0.35:
        return source.choice(field.WORDS)
    if kind < 0.55:
        return source.choice((0, 1, 1, 2, 3))
    count = rank if kind < 0.75 else 2 * rank
    return [source.choice((0, 0, 1, 1, 2, 3)) for _ in range(count)]


def _axes(field: Axes, source: random.Random, shape: Shape) -> list[int]:
    return source.sample(range(len(shape.sizes)), len(shape.sizes))


def _parts(field: Parts, source: random.Random, shape: Shape) -> list[str]:
    channels = shape.channels or 2
    return [
        f"layer_part{n}" for n in range(source.choice((2, 2, 3)) if channels > 2 else 2)
    ]


def _counts(field: Counts, source: random.Random, shape: Shape) -> list[int]:
    channels = shape.channels or 2
    cuts = sorted(
        source.sample(range(1, channels), min(channels - 1, source.choice((1, 1, 2))))
    )
    return [b - a for a, b in zip([0, *cuts], [*cuts, channels], strict=True)]


def _connections(
    field: Connections, source: random.Random, shape: Shape
) -> list[list[int]]:
    channels = shape.channels or 1
    return [
        source.sample(range(channels), source.randint(1, min(channels, 4)))
        for _ in range(source.choice((1, 2, 3, 4, 6)))
    ]


DRAWS: tuple[tuple[type, Callable[..., Any]], ...] = (
    (Size, lambda field, source, shape: source.choice(field.samples())),
    (Integer, _size),
    (Number, _number),
    (PerAxis, _per_axis),
    (Padding, _sides),
    (Axes, _axes),
    (Parts, _parts),
    (Counts, _counts),
    (Connections, _connections),
)


def draw_values(
    cls: type[Layer],
    source: random.Random,
    shape: Shape,
    wanted: str | None = None,
    share: float = 0.35,
) -> Values:
    """Values of an operation's fields, those that name layers left out.

    Args:
        wanted: a field that must be off its default.
        share: of the fields that need not be given.
    """
    given: Values = {}
    if cls.op == "reshape":
        return _reshape(source, shape, wanted)
    for name, field in cls.fields.items():
        if isinstance(field, (Constant, *EDGES)):
            continue
        if isinstance(field, Connections) and name != wanted:
            continue
        if name == wanted:
            given[name] = draw_other(field, source, shape)
        elif field.required or source.random() < share:
            given[name] = draw_value(field, source, shape)
    _together(cls, given, wanted, source, shape)
    return given


def _together(
    cls: type[Layer],
    given: Values,
    wanted: str | None,
    source: random.Random,
    shape: Shape,
) -> None:
    """Values that only some others go with."""
    if cls.op == "upsample":
        way = (
            wanted if wanted in ("scale", "size") else source.choice(("scale", "size"))
        )
        other = {"scale": "size", "size": "scale"}[way]
        given.pop(other, None)
        if way not in given:
            given[way] = draw_value(cls.fields[way], source, shape)
    if cls.op == "crop" and "cropping" not in given:
        given["cropping"] = draw_value(cls.fields["cropping"], source, shape)
    if "connections" in given:
        given["filters"] = len(given["connections"])
        given.pop("groups", None)
    elif given.get("groups", 1) > 1 and "filters" in given:
        given["filters"] = given["groups"] * source.choice((1, 1, 2, 3))
    if cls.op == "split" and "sizes" in given:
        given["into"] = [f"layer_part{n}" for n in range(len(given["sizes"]))]
    if given.get("rounding") == "exact" and wanted != "stride":
        given.pop("stride", None)


KINDS_OF_SIZES = (
    ("features",),
    ("length", "features"),
    ("channels", "length"),
    ("channels", "height", "width"),
    ("channels", "depth", "height", "width"),
)


def _reshape(source: random.Random, shape: Shape, wanted: str | None) -> Values:
    """A factorisation of the elements."""
    keys = source.choice([k for k in KINDS_OF_SIZES if wanted is None or wanted in k])
    left, given = shape.elements, {}
    for key in keys[:-1]:
        small = [n for n in range(1, 9) if left % n == 0]
        given[key] = source.choice(small)
        left //= given[key]
    given[keys[-1]] = left
    if source.random() < 0.5:
        given[source.choice(keys)] = REST
    return given


def draw_numbers(shape: tuple[int, ...], source: random.Random) -> Any:
    """Numbers in lists of this shape."""
    if not shape:
        return source.choice((0, 1, -1, 0.5, -2, 0.25, 1.5))
    return [draw_numbers(shape[1:], source) for _ in range(shape[0])]


def draw_constant(shape: tuple[int, ...], source: random.Random) -> Values:
    """What gives a weight of this shape its numbers: all of them, or those of each filter."""
    options = [shape[n:] for n in (0, 2) if prod(shape[n:]) <= MOST_NUMBERS]
    numbers = draw_numbers(source.choice([*options, ()]), source)
    given = {"constant": numbers}
    if source.random() < 0.4:
        given["scale"] = source.choice((0.5, -2, 3))
    return given


def draw_init(source: random.Random) -> Any:
    """A word or a mapping of its fields; `values` needs a kernel's shape, `bilinear` a place."""
    name = source.choice([n for n in INITIALIZERS if n not in ("values", "bilinear")])
    fields = INITIALIZERS[name].fields
    given = {n: source.choice(f.samples()) for n, f in fields.items()}
    some = {
        n: v for n, v in given.items() if fields[n].required or source.random() < 0.5
    }
    return {name: some} if some else name


def accepted(cls: type[Declared], given: Values) -> Declared:
    """The mapping with its values as the parser gives them; raises Refused."""
    return cls({name: cls.fields[name].accept(v) for name, v in given.items()})


SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13)
CHANNELS = (1, 2, 3, 4, 4, 6, 8)
KINDS = ("image", "image", "image", "signal", "volume", "vector", "sequence", "tokens")


def draw_input(source: random.Random, kinds: tuple[str, ...] = KINDS) -> dict[str, int]:
    """An input's sizes by key."""
    kind = source.choice(kinds)
    channels = {"channels": source.choice(CHANNELS)}
    if kind == "image":
        return {
            **channels,
            "height": source.choice(SIZES),
            "width": source.choice(SIZES),
        }
    if kind == "signal":
        return {**channels, "length": source.choice((*SIZES, 16, 17))}
    if kind == "volume":
        return {**channels, **{a: source.choice(SIZES[:6]) for a in VOLUME}}
    if kind == "vector":
        return {"features": source.choice((1, 2, 3, 4, 6, 8, 12))}
    length = {"length": source.choice((1, 2, 3, 5, 8))}
    if kind == "sequence":
        return {**length, "features": source.choice((1, 2, 3, 4, 6, 8))}
    return {**length, "vocabulary": source.choice((1, 2, 7, 20))}


VOLUME = ("depth", "height", "width")
AXES = {1: ("length",), 2: ("height", "width"), 3: VOLUME}


def input_of(shape: Shape) -> dict[str, int]:
    """The input that has this shape."""
    if shape.layout == MAPS:
        axes = dict(zip(AXES[shape.rank], shape.spatial, strict=True))
        return {"channels": shape.sizes[0], **axes}
    if shape.layout == VECTOR:
        return {"features": shape.sizes[0]}
    if shape.layout == SEQUENCE:
        return {"length": shape.sizes[0], "features": shape.sizes[1]}
    return {"length": shape.sizes[0], "vocabulary": shape.vocabulary or 1}
