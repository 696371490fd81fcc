"""Shapes and entries enter; whether they fit, and what makes them fit, leaves."""

from __future__ import annotations

import random

from cnnspec.fields import EDGES, LayerName, Refused
from cnnspec.infer import Inference
from cnnspec.layers.layer import Layer
from cnnspec.shapes import MAPS, SEQUENCE, TOKENS, VECTOR, Shape
from tests.fuzz.scope import Entry
from tests.fuzz.values import Values, accepted


def fits(
    cls: type[Layer], given: Values, inputs: tuple[Shape, ...]
) -> tuple[Layer, Shape] | None:
    """The layer and its first output; None where it does not take these."""
    named = {
        n: f.default if isinstance(f, LayerName) else ()
        for n, f in cls.fields.items()
        if isinstance(f, EDGES)
    }
    try:
        layer = accepted(cls, {n: v for n, v in given.items() if n not in named})
    except Refused:
        return None
    for name in named:
        if name in given:
            layer.values[name] = given[name]
    output = Inference().infer(layer, inputs).outputs[0]  # type: ignore[arg-type]
    return None if output is None else (layer, output)  # type: ignore[return-value]


def merged(op: str, first: Shape, second: Shape) -> Shape:
    """The shape of two that fit, merged."""
    if op != "concat":
        return first if first.elements >= second.elements else second
    channels = (first.channels or 0) + (second.channels or 0)
    if first.layout == MAPS:
        return Shape(MAPS, (channels, *first.spatial))
    return Shape(first.layout, (*first.sizes[:-1], channels))


def adapted(shape: Shape, target: Shape, source: random.Random) -> list[Entry] | None:
    """Entries from one shape to the other; None where they are too far apart."""
    if shape == target:
        return []
    if TOKENS in (shape.layout, target.layout):
        return None
    if target.layout == VECTOR:
        flat: list[Entry] = [] if shape.layout == VECTOR else [{"flatten": {}}]
        return [*flat, {"dense": {"units": target.sizes[0]}}]
    if shape.layout != target.layout or shape.rank != target.rank:
        return None
    if target.layout == SEQUENCE:
        if shape.sizes[0] != target.sizes[0]:
            return None
        return [{"dense": {"units": target.sizes[1]}}]
    entries: list[Entry] = []
    if shape.spatial != target.spatial:
        pool = source.choice(("adaptive_avg_pool", "adaptive_max_pool"))
        entries.append({pool: {"size": list(target.spatial)}})
    if shape.channels != target.channels:
        entries.append({"conv": {"filters": target.channels, "kernel": 1}})
    return entries
