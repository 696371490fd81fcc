"""A checked spec and a file's contents enter; the contents of the other framework's leave."""

from __future__ import annotations

from cnnspec.compile import Checked
from cnnspec.weights.contents import Contents
from cnnspec.weights.fit import differences, expected_of, numbered_classes
from cnnspec.weights.keras_file import Program
from cnnspec.weights.layout import MixedKinds, to_keras, to_pytorch


class Unfit(Exception):
    """The weights are none of the spec's; `lines` say where."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lines[0])
        self.lines = lines


def framework_of(contents: Contents) -> str:
    """Whose names they are: those of Keras' variables have a slash, PyTorch's never do."""
    return "keras" if any("/" in name for name in contents.tensors) else "pytorch"


def converted(checked: Checked, contents: Contents, target: str) -> Contents:
    """The spec's weights as the target has them, bit by bit; PyTorch's whole numbers too.

    Raises: Unfit.
    """
    graph = checked.graph
    assert graph is not None
    framework, found = framework_of(contents), contents.tensors
    expected = expected_of(graph, framework)
    if lines := differences(expected, found, checked.source.name):
        raise Unfit(lines)
    metadata = {"classes": numbered_classes(graph), **contents.metadata}
    try:
        if framework == target:
            tensors = {name: found[name] for name in expected.shapes}
            counted = expected.counters & found.keys()
            return Contents(tensors | {n: found[n] for n in counted}, metadata)
        metadata.pop("format", None)  # some libraries name the framework there
        change = to_keras if target == "keras" else to_pytorch
        return Contents(change(graph, found), metadata)
    except MixedKinds as fault:
        raise Unfit([f"{fault}: save them in one"]) from fault


def program_of(checked: Checked) -> Program:
    """Keras' model of the spec; raises Inexpressible."""
    from cnnspec.emit.build import model_text

    spec, graph = checked.spec, checked.graph
    assert spec is not None and graph is not None
    heads = any(not head.serve for head in graph.heads.values())
    return Program(model_text(checked, "keras", None), spec.name, heads)
