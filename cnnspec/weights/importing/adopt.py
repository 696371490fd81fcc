"""The layers of a file and those of a spec enter; pairs of them leave, and the spec's weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cnnspec.graph import Graph
from cnnspec.weights.contents import Array, Contents
from cnnspec.weights.convert import Unfit
from cnnspec.weights.fit import numbered_classes
from cnnspec.weights.importing.matching import Place, match
from cnnspec.weights.importing.names import Given
from cnnspec.weights.importing.own import Own, kind_of, last_of
from cnnspec.weights.importing.pixels import by_channel
from cnnspec.weights.importing.stored import KERAS, Group, Stored
from cnnspec.weights.importing.words import words_of
from cnnspec.weights.layout import (
    MixedKinds,
    holders,
    state_shapes,
    to_keras,
    to_pytorch,
    variable_shapes,
)

GIVEN = "given"  # by the user: a basis of a pair beside those of `matching`
FILL = {"weight": 1, "gamma": 1, "bias": 0, "beta": 0}  # where a normalisation lacks it


class Row(NamedTuple):
    """A layer of the file, and the spec's that gets its numbers.

    Args:
        theirs: what it has, or the part of it that this row is about.
        tensors: names of the file by the spec's.
        basis: what says so.
    """

    theirs: Group
    ours: str
    tensors: dict[str, str]
    basis: str


def pair_layers(stored: Stored, ours: list[Own], given: Given) -> list[Row]:
    """In the order of the spec.

    Raises: Unmatched, with the numbers of the layers that are left over.
    """
    used = given.left_out.union(given.tensors.values())
    groups = [
        group._replace(
            tensors={n: s for n, s in group.tensors.items() if n not in used}
        )
        for group in stored.groups
    ]
    rest = [layer.without(given.tensors) for layer in ours]
    known = _given_pairs(stored.groups, ours, given)
    rows = []
    for (i, j), tensors in known.items():
        group = stored.groups[i]
        part = {name: group.tensors[name] for name in tensors.values()}
        rows.append(
            (j, Row(group._replace(tensors=part), ours[j].name, tensors, GIVEN))
        )
    found = match(
        _their_places(groups, stored),
        [_own_place(layer, stored.framework) for layer in rest],
        stored.ordered,
        list(known),
        (
            [i for i, group in enumerate(groups) if group.tensors],
            [j for j, layer in enumerate(rest) if layer.tensors],
        ),
    )
    for i, j, basis in found:
        taken = rest[j].take(groups[i].tensors, stored.framework)
        assert taken is not None
        rows.append((j, Row(groups[i], rest[j].name, taken, basis)))
    return [row for _, row in sorted(rows, key=lambda found: found[0])]


def _given_pairs(
    groups: list[Group], ours: list[Own], given: Given
) -> dict[tuple[int, int], dict[str, str]]:
    """What is given, by the numbers of two layers."""
    owners = {name: i for i, group in enumerate(groups) for name in group.tensors}
    holding = {name: j for j, layer in enumerate(ours) for name in layer.tensors}
    found: dict[tuple[int, int], dict[str, str]] = {}
    for name, theirs in given.tensors.items():
        found.setdefault((owners[theirs], holding[name]), {})[name] = theirs
    return found


def _their_places(groups: list[Group], stored: Stored) -> list[Place]:
    """Where the file keeps no order, a layer comes after those before it in its row."""
    places = [
        Place(
            group.name,
            words_of(group.name),
            (kind_of(group.tensors, stored.framework),),
        )
        for group in groups
    ]
    if stored.ordered:
        return places
    whole: dict[str, int] = {}
    for number, group in enumerate(groups):
        whole[group.row] = whole.get(group.row, 0) | 1 << number
    return [
        place._replace(
            before=whole[group.row] & (1 << number) - 1,
            after=whole[group.row] >> (number + 1) << (number + 1),
        )
        for number, (place, group) in enumerate(zip(places, groups, strict=True))
    ]


def _own_place(layer: Own, framework: str) -> Place:
    kinds = tuple([kind_of(form, framework) for form in layer.forms])
    return Place(layer.name, layer.words, kinds, layer.before, layer.after)


def imported(graph: Graph, stored: Stored, rows: list[Row], target: str) -> Contents:
    """The spec's weights as the target has them; classes are named by their numbers.

    Raises: Unfit, Unreadable.
    """
    state = state_of(graph, stored, rows)
    tensors = to_keras(graph, state) if target == KERAS else state
    return Contents(tensors, {"classes": numbered_classes(graph)})


def state_of(graph: Graph, stored: Stored, rows: list[Row]) -> dict[str, Array]:
    """The spec's state dict, with PyTorch's counters at 0.

    What a file's normalisation has no numbers for changes nothing: a scale of 1, a shift of 0.

    Raises: Unfit, Unreadable.
    """
    names = {ours: theirs for row in rows for ours, theirs in row.tensors.items()}
    is_keras = stored.framework == KERAS
    shapes = variable_shapes(graph) if is_keras else state_shapes(graph)
    found = {
        name: stored.read(names[name]).reshape(shape)
        if name in names
        else np.full(shape, FILL[last_of(name)], np.float32)
        for name, shape in shapes.items()
    }
    if is_keras:
        try:
            return by_channel(graph, to_pytorch(graph, found), stored.others)
        except MixedKinds as fault:
            raise Unfit([f"{fault}: save them in one"]) from fault
    for holder in holders(graph):
        for counter in holder.counters:
            found[holder.key(counter)] = np.zeros((), np.int64)
    return found
