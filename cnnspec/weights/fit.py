"""What a spec's weights are and what a file holds enter; where they differ leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from cnnspec.graph import Graph
from cnnspec.weights.contents import FLOATS, Array, kind_of
from cnnspec.weights.layout import Shapes, holders

MOST = 10  # lines of each kind
LONGEST = 100  # characters of a name


class Expected(NamedTuple):
    """A spec's weights in one framework's names.

    Args:
        lines: of the spec, by name.
        counters: names of PyTorch's whole numbers, which need not be there.
    """

    shapes: Shapes
    lines: dict[str, int]
    counters: frozenset[str]


def expected_of(graph: Graph, framework: str) -> Expected:
    """Args: framework: `pytorch` or `keras`."""
    shapes: Shapes = {}
    lines: dict[str, int] = {}
    counters: list[str] = []
    for holder in holders(graph):
        if framework == "keras":
            own = {holder.place(v): v.keras_shape for v in holder.variables}
        else:
            own = {holder.key(w.name): w.shape for w in holder.weights}
            counters += map(holder.key, holder.counters)
        shapes |= own
        if holder.node.entry is not None:
            lines |= dict.fromkeys(own, holder.node.entry.key_span.line)
    return Expected(shapes, lines, frozenset(counters))


def differences(expected: Expected, found: Mapping[str, Array], spec: str) -> list[str]:
    """Where they differ by name, shape or kind of numbers, a line each; none where all fits.

    What the spec has stands in the network's order, what it lacks by name.

    Args:
        spec: the file's name, for places.
    """
    shapes = {name: array.shape for name, array in found.items()}
    missing, others, strange = [], [], []
    for name, shape in expected.shapes.items():
        place = f"  {spec}:{expected.lines[name]}"
        if name not in shapes:
            missing.append(f"missing: {name} {_shape(shape)}{place}")
        elif shapes[name] != shape:
            has = f"{name} is {_shape(shapes[name])}, not {_shape(shape)}"
            others.append(f"other shape: {has}{place}")
        elif (kind := kind_of(found[name].dtype)) not in FLOATS:
            strange.append(f"no weights: {name} holds {kind}, not {_or(FLOATS)}")
    known = expected.shapes.keys() | expected.counters
    unexpected = [
        f"unexpected: {shown(name)} {_shape(shape)}"
        for name, shape in sorted(shapes.items())
        if name not in known
    ]
    kinds = (missing, unexpected, others, strange)
    return [line for lines in kinds for line in few(lines)]


def few(lines: list[str]) -> list[str]:
    if len(lines) <= MOST:
        return lines
    kind = lines[0].partition(":")[0]
    return [*lines[:MOST], f"{kind}: {len(lines) - MOST} more"]


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _or(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def shown(name: str) -> str:
    """A foreign name, which may hold anything."""
    shown = name if name.isprintable() else ascii(name)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"


def numbered_classes(graph: Graph) -> str:
    """What a program's predict.py reads of a file's metadata, where nobody named the classes."""
    served = [edge for name, edge in graph.outputs.items() if graph.serves(name)]
    shape = graph.shape(served[0])
    assert shape is not None
    return json.dumps([str(number) for number in range(max(shape.channels or 0, 2))])
