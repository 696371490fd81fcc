"""A graph enters; where the watched model tells each layer's value leaves."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from cnnspec.names import dotted
from cnnspec.spec import Reuse

if TYPE_CHECKING:
    from cnnspec.graph import Edge, Graph, Node, Scope
    from cnnspec.spec import Entry


class Watched(NamedTuple):
    """One output of one layer, and where `_watch` or a module tells it.

    Args:
        path: the layer's, with `.1` behind it for the second of several outputs.
        scope: path of the module that it stands in; empty for the model.
        name: what it is called there.
        turn: how many calls of that name in that module come before.
        module: path of the module that it may be itself, such as a round of a repeat.
        call: how many calls of that module come before.
        sizes: of its output, without the batch.
        left: whether the model leaves it to the loss: its value is what enters it.
        reads: paths of the outputs that it reads, or names of inputs.
    """

    path: str
    op: str
    scope: str
    name: str
    turn: int
    module: str
    call: int
    port: int
    layout: str
    sizes: tuple[int, ...]
    left: bool
    serves: bool
    reads: tuple[str, ...]


def watched_nodes(graph: Graph, plain: frozenset[Entry]) -> list[Watched]:
    """All outputs of all layers, in the order of the graph."""
    first = _first_made(graph)
    turns: Counter[tuple[str, str]] = Counter()
    calls: Counter[str] = Counter()
    found = []
    for node in graph.layers:
        assert node.entry is not None and node.layer is not None
        scope = dotted(_module_path(node.scope, first).removesuffix("."))
        name = node.entry.name + (".split" if _is_splitter(graph, node) else "")
        turn = turns[scope, name]
        turns[scope, name] += 1
        own = node.path.removeprefix(node.scope.path)
        module = dotted(f"{scope}.{own}" if scope else own)
        call = calls[module]
        calls[module] += 1
        left = node.entry in plain and node.layer.op in ("softmax", "sigmoid")
        for port, shape in enumerate(node.outputs):
            assert shape is not None
            found.append(
                Watched(
                    _path(node, port),
                    node.layer.op,
                    scope,
                    name,
                    turn,
                    module,
                    call,
                    port,
                    shape.layout,
                    shape.sizes,
                    left,
                    node.serves,
                    tuple(_read(graph, edge) for edge in node.inputs),
                )
            )
    return found


def _path(node: Node, port: int) -> str:
    return node.path if len(node.outputs) == 1 else f"{node.path}.{port}"


def _read(graph: Graph, edge: Edge) -> str:
    """The path of an output, or the name of an input."""
    names = {given: name for name, given in graph.inputs.items()}
    return names.get(edge) or _path(graph.nodes[edge.node], edge.port)


def _is_splitter(graph: Graph, node: Node) -> bool:
    return any(node is splitter for splitter in graph.splits.values())


def _first_made(graph: Graph) -> dict[str, str]:
    """The paths of reused blocks, each with that of the block whose modules it calls."""
    found = {}
    for entry, occurrences in graph.occurrences.items():
        if not isinstance(entry, Reuse):
            continue
        firsts = [o for o in graph.occurrences.get(entry.reused, []) if o.child]
        for occurrence in occurrences:
            same = [o for o in firsts if o.scope is occurrence.scope]
            if occurrence.child is not None and same:
                assert same[0].child is not None
                found[occurrence.child.path] = same[0].child.path
    return found


def _module_path(scope: Scope, first: dict[str, str]) -> str:
    """The path of the modules that a scope's layers are, which another may have made."""
    if scope.parent is None:
        return ""
    path = first.get(scope.path, scope.path)
    own = path.removeprefix(scope.parent.path)
    return _module_path(scope.parent, first) + own
