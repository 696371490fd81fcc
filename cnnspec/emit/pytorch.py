"""A checked spec enters, the text of the PyTorch model.py leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.emit import channels
from cnnspec.emit.call import Argument, Call, Keyword, one_line, signature
from cnnspec.emit.definitions import Definition
from cnnspec.emit.flow import Flow, Loop
from cnnspec.emit.model import (
    Source,
    frozen_paths,
    header,
    helper_lines,
    initialised_entries,
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
from cnnspec.layers.layer import Layer
from cnnspec.names import camel
from cnnspec.shapes import Shape
from cnnspec.spec import Operation

if TYPE_CHECKING:
    from cnnspec.spec import Entry

KERNELS = ("nn.Conv1d", "nn.Conv2d", "nn.Conv3d", "nn.Linear")


class _Module:
    """One class of the file."""

    __slots__ = ("definition", "lines", "name", "walk")

    def __init__(self, name: str, walk: TorchWalk, lines: list[str]) -> None:
        self.name = name
        self.walk = walk
        self.definition = walk.definition
        self.lines = lines


def write_model(source: Source) -> str:
    """The file's text; raises Inexpressible (CS5nn)."""
    modules: list[_Module] = []
    for definition in source.definitions:
        modules.append(_write_module(source, definition))
    kernels: set[str] = set()
    for module in modules:
        kernels |= module.walk.modules & set(KERNELS)
    body = helper_lines(module.walk for module in modules)
    if kernels or _of_their_own(source):
        body.append(_init_weights(source, sorted(kernels), modules))
    body += [module.lines for module in modules]
    frozen = [path.replace("[", ".").replace("]", "") for path in frozen_paths(source)]
    constants = write([Assign("FROZEN", literal(tuple(frozen)))], 0) if frozen else []
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


def _init_weights(
    source: Source, kernels: list[str], modules: list[_Module]
) -> list[str]:
    """The function that draws all kernels; a class may draw some of its own otherwise.

    `Module.apply` visits children first, so what a class says of its layers comes last.
    """
    others = _of_their_own(source)
    lines = ["def init_weights(module):"]
    if kernels:
        rest = ", where nothing else is said" if others else ""
        lines.append(f'    """He normal kernels (fan in), zero biases{rest}."""')
        lines += _init_kernels(source, kernels)
    else:
        lines.append('    """How weights begin."""')
    for layer in others:
        lines.append(f"    if isinstance(module, {layer.torch_class}):")
        lines += [f"        {line}" for line in layer.torch_init.splitlines()]
    for module in modules:
        own: list[Statement] = []
        for entry in initialised_entries(module.definition.body):
            own += _draw(module.walk, entry)
        if own:
            branch = write([If(f"isinstance(module, {module.name})", own)], INDENT)
            lines += branch
    return lines


def _of_their_own(source: Source) -> list[type[Layer]]:
    """Operations whose weights begin otherwise than a kernel and its bias."""
    found = {type(node.layer) for node in source.graph.layers}
    return sorted(
        (cls for cls in found if issubclass(cls, Layer) and cls.torch_class),
        key=lambda cls: cls.torch_class,
    )


def _init_kernels(source: Source, kernels: list[str]) -> list[str]:
    biased = {
        any(w.name == "bias" for w in node.layer.weights(source.graph.shapes_in(node)))
        for node in source.graph.layers
        if node.layer is not None
        and node.layer.takes_init
        and not node.layer.torch_class
    }
    test = kernels[0] if len(kernels) == 1 else f"({', '.join(kernels)})"
    body: list[Statement] = [
        Assign(
            "",
            Call(
                "nn.init.kaiming_normal_",
                ("module.weight", Keyword("nonlinearity", '"relu"')),
            ),
        )
    ]
    zeros = Assign("", Call("nn.init.zeros_", ("module.bias",)))
    if biased == {True}:
        body.append(zeros)
    elif True in biased:
        body.append(If("module.bias is not None", [zeros]))
    return write([If(f"isinstance(module, {test})", body)], INDENT)


def _draw(walk: TorchWalk, entry: Entry) -> list[Statement]:
    """`nn.init.…(module.conv.weight, …)`, over the rounds of a repeat."""
    assert entry.init is not None
    draw = entry.init.pytorch()
    made = [r for r in walk.registrations if r.entry is entry]
    if not made:
        return []
    loops = any(isinstance(context, Loop) for context in made[0].around)
    is_list = loops or (
        isinstance(made[0].code, Call) and made[0].code.func == "nn.Sequential"
    )
    target = f"module.{entry.name}"
    cls = entry.op if isinstance(entry, Operation) else Layer
    headers, tensor = cls.torch_kernels(target, draw)
    if is_list or made[0].otherwise_identity is not None:
        kinds = cls.torch_class or f"({', '.join(KERNELS)})"
        headers, tensor = cls.torch_kernels("layer", draw)
        found = f"for layer in {target}.modules():", f"if isinstance(layer, {kinds}):"
        headers = (*found, *headers)
    rest: list[Argument] = [literal(value) for value in draw.args]
    rest += [Keyword(name, literal(value)) for name, value in draw.options]
    call = Call(draw.function, (tensor, *rest))
    if not headers:
        return [Assign("", call)]
    nested = (*headers, one_line(call))
    return [Raw(tuple(" " * INDENT * n + line for n, line in enumerate(nested)))]


def _write_module(source: Source, definition: Definition) -> _Module:
    is_model = definition.block is None
    walk = TorchWalk(
        definition, source.graph, source.known, source.plain, comments=is_model
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
        if any(n.layer is not None and n.layer.takes_init for n in source.graph.layers):
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
