"""A checked spec enters, the text of the PyTorch model.py leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.emit import channels
from cnnspec.emit.beginnings import Class, begins, init_weights
from cnnspec.emit.call import Call, signature
from cnnspec.emit.definitions import Definition
from cnnspec.emit.flow import Flow
from cnnspec.emit.model import (
    Source,
    frozen_paths,
    header,
    helper_lines,
    let_statements,
    outputs_code,
    parameters,
    start,
    uses_module,
)
from cnnspec.emit.pytorch_walk import TorchWalk
from cnnspec.emit.quote import literal
from cnnspec.emit.statements import INDENT, Assign, If, Raw, Statement, write
from cnnspec.expressions import Literal
from cnnspec.names import camel, dotted
from cnnspec.shapes import Shape

if TYPE_CHECKING:
    pass


class _Module:
    """One class of the file."""

    __slots__ = ("definition", "lines", "name", "walk")

    def __init__(self, name: str, walk: TorchWalk, lines: list[str]) -> None:
        self.name = name
        self.walk = walk
        self.definition = walk.definition
        self.lines = lines


def write_model(source: Source, watches: bool = False) -> str:
    """The file's text; raises Inexpressible (CS5nn).

    Args:
        watches: the forward calls `_watch(self, name, value)` on what each layer makes.
    """
    modules: list[_Module] = []
    numbers: dict[str, list[str]] = {}
    for definition in source.definitions:
        modules.append(_write_module(source, definition, numbers, watches))
    body = helper_lines(module.walk for module in modules)
    beginning = init_weights(source, [Class(m.name, m.walk) for m in modules])
    body += [beginning] if beginning else []
    body += [module.lines for module in modules]
    frozen = [dotted(path) for path in frozen_paths(source)]
    constants = [line for lines in numbers.values() for line in lines]
    if frozen:
        constants += write([Assign("FROZEN", literal(tuple(frozen)))], 0)
    code = [line for part in body for line in part]
    shapes = {
        name: _batched(source.graph.shape(edge))
        for name, edge in {**source.graph.inputs, **source.graph.outputs}.items()
    }
    parts = [
        "\n".join(header(source, "PyTorch", shapes)),
        "\n".join([*_imports(code), *(["", *constants] if constants else [])]),
    ]
    return (
        "\n\n".join(parts) + "\n\n\n" + "\n\n\n".join("\n".join(b) for b in body) + "\n"
    )


def _batched(shape: Shape | None) -> str:
    assert shape is not None
    return f"(N, {', '.join(map(str, shape.sizes))})"


def _imports(code: list[str]) -> list[str]:
    lines = []
    if uses_module("math", code):
        lines += ["import math", ""]
    if uses_module("torch", code):
        lines.append("import torch")
    if uses_module("F", code):
        lines.append("import torch.nn.functional as F")
    return [*lines, "from torch import nn"]


def _write_module(
    source: Source,
    definition: Definition,
    numbers: dict[str, list[str]],
    watches: bool,
) -> _Module:
    is_model = definition.block is None
    walk = TorchWalk(
        definition,
        source.graph,
        source.known,
        source.plain,
        comments=is_model,
        constants=numbers,
        watches=watches,
    )
    forward = _forward_of_model(source, walk) if is_model else _forward_of_block(walk)
    modules = walk.constructor()
    name = camel(
        source.spec.name if definition.block is None else definition.block.name
    )
    lines = [f"class {name}(nn.Module):"]
    constructor = _constructor(source, walk, modules)
    if constructor:
        lines += [*constructor, ""]
    if is_model and (train := _train(source)):
        lines += [*train, ""]
    lines += forward
    return _Module(name, walk, lines)


def _constructor(
    source: Source, walk: TorchWalk, modules: list[Statement]
) -> list[str]:
    definition, block = walk.definition, walk.definition.block
    needed = {*walk.read, *walk.stored}
    lets = let_statements(definition, needed)
    definition.reads_channels = block is not None and "in_channels" in needed
    params = ["self"]
    if definition.reads_channels:
        params.append("in_channels")
    if block is not None:
        params += parameters(block, definition)
    stored: list[Statement] = [Assign(f"self.{name}", name) for name in walk.stored]
    body = [*lets, *stored, *modules]
    if not body and len(params) == 1:
        return []
    if block is None:
        if begins(source):
            body.append(Assign("", Call("self.apply", ("init_weights",))))
        if frozen_paths(source):
            loop = (
                "for path in FROZEN:",
                "    self.get_submodule(path).requires_grad_(False)",
            )
            body.append(Raw(loop))
    first: list[Statement] = [Assign("", Call("super().__init__", ()))]
    return [*signature("__init__", params, INDENT), *write([*first, *body], 2 * INDENT)]


def _train(source: Source) -> list[str]:
    """Frozen batch norms keep their running statistics, in training too."""
    layers = [n for n in source.graph.layers if n.layer and n.layer.op == "batch_norm"]
    if all(node.trainable for node in layers):
        return []
    return [
        "    def train(self, mode=True):",
        "        super().train(mode)",
        "        for path in FROZEN:",
        "            for module in self.get_submodule(path).modules():",
        "                if isinstance(module, nn.modules.batchnorm._BatchNorm):",
        "                    module.eval()  # its running statistics are frozen, too",
        "        return self",
    ]


def _forward_of_block(walk: TorchWalk) -> list[str]:
    parameter = start(walk, (), "x")
    flow = Flow(parameter, [channels.IN_CHANNELS])
    flow = walk.run_list(walk.definition.body, flow, "x")
    found = channels.without_let(walk.definition, flow.channels)
    walk.definition.channels = found
    walk.statements.append(Assign("return", flow.code))
    head = signature("forward", ["self", parameter], INDENT)
    return [*head, *write(walk.statements, 2 * INDENT)]


def _forward_of_model(source: Source, walk: TorchWalk) -> list[str]:
    graph = source.graph
    names = list(graph.inputs)
    if names == ["input"]:
        params = [start(walk, source.spec.outputs or (), "x")]
    else:
        params = names
        walk.variables.update({i: i.name for i in source.spec.inputs})
    shape = graph.shape(graph.inputs[names[0]])
    walk.commented = shape
    known = shape.channels if shape is not None else None
    flow = Flow(params[0], [Literal(known)] if known is not None else [])
    flow = walk.run_list(walk.definition.body, flow, "x")
    several = len(graph.outputs) > 1
    if several:
        flow = walk.close(flow, "x")
    if source.heads_in_training:
        served = Assign("return", outputs_code(source, walk, flow, served_only=True))
        walk.statements.append(If("not self.training", [served]))
    code = outputs_code(source, walk, flow, served_only=False)
    comment = "" if several else walk.comment(flow.shape)
    walk.statements.append(Assign("return", code, comment))
    head = signature("forward", ["self", *params], INDENT)
    return [*head, *write(walk.statements, 2 * INDENT)]
