"""A spec's network enters; its layers leave as a file of another program may have them."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import NamedTuple

from cnnspec.graph import Graph
from cnnspec.layers.layer import Weight
from cnnspec.spec import Body, Entry, Spec
from cnnspec.weights.importing.stored import KERAS, Group, by_prefix
from cnnspec.weights.importing.words import words_of
from cnnspec.weights.layout import Holder, Shapes, holders


class Own(NamedTuple):
    """A layer of the spec, or a part of one that other programs have as a layer.

    Args:
        forms: tensors that a file may have in its place, by the spec's names: all of them, or
            without those that can be filled in; or in another shape of as many numbers.
        words: of its name, and the branches that it stands in.
        before, after: bits of the layers that feed it, and of those that it feeds.
    """

    name: str
    forms: tuple[Shapes, ...]
    words: frozenset[str]
    before: int
    after: int

    @property
    def tensors(self) -> Shapes:
        return self.forms[0]

    def without(self, names: Collection[str]) -> Own:
        """What is left of it; it may be nothing."""
        forms = [
            {n: s for n, s in form.items() if n not in names} for form in self.forms
        ]
        return self._replace(forms=tuple(forms))

    def take(self, theirs: Shapes, framework: str) -> dict[str, str] | None:
        """Their tensors by the spec's, None where they don't fit."""
        wanted = kind_of(theirs, framework)
        for form in self.forms:
            if kind_of(form, framework) == wanted:
                return _by_name(self.tensors, theirs) or dict(
                    zip(form, theirs, strict=True)
                )
        return None


def own_layers(spec: Spec, graph: Graph, framework: str) -> list[Own]:
    """In the order of the graph, with names and shapes of one framework."""
    branches = _Branches(spec)
    parts: list[tuple[Holder, Group]] = []
    for holder in holders(graph):
        parts += [(holder, group) for group in _groups(holder, framework)]
    bits: dict[int, int] = {}
    for number, (holder, _) in enumerate(parts):
        bits[id(holder.node)] = bits.get(id(holder.node), 0) | 1 << number
    before, after = _flow(graph, bits)
    return [
        Own(
            group.name,
            tuple(_forms(graph, holder, group.tensors, framework)),
            words_of(group.name) | branches.of(holder),
            before[id(holder.node)],
            after[id(holder.node)],
        )
        for holder, group in parts
    ]


def kind_of(tensors: Shapes, framework: str) -> Hashable:
    """What tells layers apart; Keras numbers its variables, or has other names for them."""
    if framework == KERAS:
        return tuple(tensors.values())
    return frozenset([(last_of(name), shape) for name, shape in tensors.items()])


def layer_text(tensors: Shapes) -> str:
    """As in `weight 64x3x7x7, bias 64`; numbered tensors are shown by their shapes."""
    named = [(last_of(name), shape_text(shape)) for name, shape in tensors.items()]
    return ", ".join([s if name.isdigit() else f"{name} {s}" for name, s in named])


def shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"


def last_of(name: str) -> str:
    """A tensor's own name: `conv1.weight`, `conv1/kernel`."""
    return name.rpartition("/")[2].rpartition(".")[2]


def _by_name(ours: Shapes, theirs: Shapes) -> dict[str, str] | None:
    """None where they are not called as ours are."""
    known = {last_of(name): name for name in ours}
    named = {last_of(name): name for name in theirs}
    if not named.keys() <= known.keys():
        return None
    return {known[last]: name for last, name in named.items()}


def _groups(holder: Holder, framework: str) -> list[Group]:
    if framework == KERAS:
        variables = {holder.place(v): v.keras_shape for v in holder.variables}
        return by_prefix(variables, "/")
    return by_prefix({holder.key(w.name): w.shape for w in holder.weights}, ".")


def _forms(
    graph: Graph, holder: Holder, tensors: Shapes, framework: str
) -> list[Shapes]:
    layer = holder.node.layer
    if layer is not None and layer.op == "batch_norm":
        scale, shift, *statistics = tensors
        some = (
            ([scale, shift], [shift], [])
            if framework == KERAS
            else ([scale, shift], [])
        )
        return [{name: tensors[name] for name in (*kept, *statistics)} for kept in some]
    if framework != KERAS:
        return [tensors]
    channels = graph.shapes_in(holder.node)[0].channels
    others = {
        holder.place(variable): _other(variable.rows[0].weight, channels, shape)
        for variable in holder.variables
        if (shape := variable.keras_shape)
    }
    other = {name: others[name] for name in tensors}
    return [tensors] if other == tensors else [tensors, other]


def _other(
    weight: Weight, channels: int | None, shape: tuple[int, ...]
) -> tuple[int, ...]:
    """The other shape of a kernel for each channel: depthwise (…, C, M), grouped (…, 1, C M)."""
    by_channel = len(weight.shape) > 2 and weight.shape[1] == 1
    if not by_channel or not channels or channels == 1:
        return shape
    *window, _, _ = shape
    grouped = (*window, 1, weight.shape[0])
    depthwise = (*window, channels, weight.shape[0] // channels)
    return depthwise if shape == grouped else grouped


def _flow(graph: Graph, bits: dict[int, int]) -> tuple[dict[int, int], dict[int, int]]:
    """Of each node the bits of what feeds it, and of what it feeds."""
    nodes = graph.nodes
    before, after = [0] * len(nodes), [0] * len(nodes)
    for index, node in enumerate(nodes):
        for edge in node.inputs:
            before[index] |= before[edge.node] | bits.get(id(nodes[edge.node]), 0)
    for index in range(len(nodes) - 1, -1, -1):
        passed = after[index] | bits.get(id(nodes[index]), 0)
        for edge in nodes[index].inputs:
            after[edge.node] |= passed
    named = [id(node) for node in nodes]
    return dict(zip(named, before, strict=True)), dict(zip(named, after, strict=True))


class _Branches:
    """In which lists of which containers a layer stands."""

    def __init__(self, spec: Spec) -> None:
        self._lists: dict[Entry, tuple[str, ...]] = {}
        for body in (spec.layers, *(block.layers for block in spec.blocks.values())):
            self._note(body, ())

    def _note(self, body: Body, lists: tuple[str, ...]) -> None:
        for entry in body:
            self._lists[entry] = lists
            above = lists[-1] if lists else ""
            for number, inner in enumerate(entry.lists()):
                self._note(inner, (*lists, f"{above}/{entry.name}:{number}"))

    def of(self, holder: Holder) -> frozenset[str]:
        """As words: each list in its instance, and in any."""
        found: set[str] = set()
        entry, scope = holder.node.entry, holder.node.scope
        while entry is not None:
            found.update(self._lists[entry])
            found.update([scope.path + each for each in self._lists[entry]])
            if scope.parent is None:
                break
            entry, scope = scope.use, scope.parent
        return frozenset(found)
