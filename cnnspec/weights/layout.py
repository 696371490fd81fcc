"""A graph and one framework's weights enter; the same numbers as the other has them leave.

PyTorch's are a state dict, by names such as `stage.0.conv.weight`; Keras' are by the `path` of
each variable, `stage.0.conv/kernel`. A layer that is applied again has its weights once.
Whatever numbers an array holds, they are moved and never computed with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cnnspec.emit.site import Instance
from cnnspec.names import dotted

if TYPE_CHECKING:
    from cnnspec.graph import Graph, Node
    from cnnspec.initializers import Initializer
    from cnnspec.layers.layer import Weight
    from cnnspec.layers.variables import Variable
    from cnnspec.spec import Entry

Array = np.ndarray[Any, Any]
Shapes = dict[str, tuple[int, ...]]


class MixedKinds(ValueError):
    """Parts of one tensor or variable are of different kinds of numbers."""

    def __init__(self, name: str, kinds: list[str]) -> None:
        super().__init__(f"`{name}` would hold {' and '.join(kinds)}")


class Holder(NamedTuple):
    """A layer that has weights, or counters.

    Args:
        path: as names of weights begin, `stage.0.conv`.
    """

    node: Node
    path: str
    weights: tuple[Weight, ...]
    variables: tuple[Variable, ...]
    counters: tuple[str, ...]

    def key(self, name: str) -> str:
        """A tensor's name in the state dict."""
        return f"{self.path}.{name}"

    def place(self, variable: Variable) -> str:
        """A variable's path in the model."""
        between = "" if variable.path.startswith(".") else "/"
        return f"{self.path}{between}{variable.path}"


class _Line(NamedTuple):
    instances: tuple[Instance, ...]
    init: Initializer | None


def holders(graph: Graph) -> list[Holder]:
    """The layers with weights of a graph without errors, in its order."""
    lines: dict[Entry, _Line] = {}
    found = []
    for node in graph.layers:
        layer, entry, inputs = node.layer, node.entry, graph.shapes_in(node)
        assert layer is not None and entry is not None
        weights = layer.weights(inputs)
        if node.reuses or not (weights or layer.torch_counters):
            continue
        if entry not in lines:
            lines[entry] = _Line(_instances(graph, entry), entry.init)
        variables = layer.keras_variables(inputs, lines[entry])
        path, counters = dotted(node.path), layer.torch_counters
        found.append(Holder(node, path, weights, variables, counters))
    return found


def _instances(graph: Graph, entry: Entry) -> tuple[Instance, ...]:
    """All uses of a layer, and those of what reuses it."""
    return tuple(
        [
            Instance(node.layer, graph.shapes_in(node), (), occurrence.values)
            for one in (entry, *entry.reuses)
            for occurrence in graph.occurrences.get(one, [])
            if (node := occurrence.node) is not None and node.layer is not None
        ]
    )


def state_shapes(graph: Graph) -> Shapes:
    """PyTorch's tensors by name, without its counters."""
    return {
        holder.key(weight.name): weight.shape
        for holder in holders(graph)
        for weight in holder.weights
    }


def variable_shapes(graph: Graph) -> Shapes:
    """Keras' variables by path."""
    return {
        holder.place(variable): variable.keras_shape
        for holder in holders(graph)
        for variable in holder.variables
    }


def to_keras(graph: Graph, state: Mapping[str, Array]) -> dict[str, Array]:
    """Keras' variables of a state dict, whose tensors are those of `state_shapes`.

    Other keys are not read. Arrays may be views of those that are given. Raises: MixedKinds.
    """
    found = {}
    for holder in holders(graph):
        for variable in holder.variables:
            parts = [
                _rows(state, holder, part.weight)[part.start : part.stop]
                for part in variable.rows
            ]
            place = holder.place(variable)
            joined = _joined(place, parts).reshape(variable.shape)
            found[place] = joined.transpose(variable.axes)
    return found


def _joined(name: str, parts: list[Array]) -> Array:
    kinds = {part.dtype for part in parts}
    if len(kinds) > 1:
        raise MixedKinds(name, sorted(map(str, kinds)))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _rows(state: Mapping[str, Array], holder: Holder, weight: Weight) -> Array:
    return state[holder.key(weight.name)].reshape(weight.rows)


def to_pytorch(graph: Graph, variables: Mapping[str, Array]) -> dict[str, Array]:
    """The state dict of Keras' variables, which are those of `variable_shapes`.

    Counters begin at 0 (int64), for Keras has none. Other keys are not read.
    Raises: MixedKinds.
    """
    found: dict[str, Array] = {}
    for holder in holders(graph):
        found |= _tensors(holder, variables)
        for name in holder.counters:
            found[holder.key(name)] = np.zeros((), np.int64)
    return found


def _tensors(holder: Holder, variables: Mapping[str, Array]) -> dict[str, Array]:
    """A layer's tensors."""
    parts: dict[str, list[tuple[int, Array]]] = {w.name: [] for w in holder.weights}
    for variable in holder.variables:
        turned = variables[holder.place(variable)]
        back = sorted(range(len(variable.axes)), key=variable.axes.__getitem__)
        _, *rest = variable.rows[0].weight.rows
        joined = turned.transpose(back).reshape(-1, *rest)
        taken = 0
        for rows in variable.rows:
            count = rows.stop - rows.start
            part = joined[taken : taken + count]
            parts[rows.weight.name].append((rows.start, part))
            taken += count
    found = {}
    for weight in holder.weights:
        pieces = [part for _, part in sorted(parts[weight.name], key=lambda p: p[0])]
        key = holder.key(weight.name)
        found[key] = _joined(key, pieces).reshape(weight.shape)
    return found
