"""A checked spec enters, the text of the Keras model.py leaves."""

from __future__ import annotations

from cnnspec.emit import channels
from cnnspec.emit.call import (
    Attribute,
    Call,
    Code,
    Dict,
    Keyword,
    List,
    Tuple,
    signature,
)
from cnnspec.emit.flow import Flow
from cnnspec.emit.keras_names import functions_of, reserved
from cnnspec.emit.keras_walk import WRAPPED, KerasWalk
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
from cnnspec.emit.quote import literal
from cnnspec.emit.site import Inexpressible
from cnnspec.emit.statements import INDENT, Assign, For, If, Raw, Statement, write
from cnnspec.expressions import Literal
from cnnspec.names import dotted
from cnnspec.shapes import MAPS, TOKENS, Shape
from cnnspec.spec import Use, entries_of

HE_NORMAL = '''\
def he_normal():
    """Untruncated, unlike Keras' own. One per layer: a shared one repeats its draws."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")'''
WRAPPER = """\
def {layer}(*args, **kwargs):
    return layers.{layer}(*args, kernel_initializer=he_normal(), **kwargs)"""


def write_model(source: Source) -> str:
    """The file's text; raises Inexpressible (CS5nn)."""
    functions = [source.spec.name, *(block.name for block in source.known)]
    walks: list[KerasWalk] = []
    written: list[list[str]] = []
    numbers: dict[str, list[str]] = {}
    for definition in source.definitions:
        walk = KerasWalk(
            definition,
            source.graph,
            source.known,
            source.plain,
            comments=definition.block is None,
            outside=frozenset(functions),
            constants=numbers,
        )
        walks.append(walk)
        write_one = _model if definition.block is None else _block
        written.append(write_one(source, walk))
    reserve = _reserve(source, walks)
    written[-1][1:1] = write(reserve, INDENT)
    wrappers = {name for walk in walks for name in walk.wrappers}
    body = [HE_NORMAL.split("\n")] if wrappers else []
    body += [WRAPPER.format(layer=n).split("\n") for n in WRAPPED if n in wrappers]
    body += helper_lines(walks)
    body += written
    code = [line for part in body for line in part]
    paths = [dotted(path) for path in frozen_paths(source)]
    frozen = Tuple(tuple(literal(f"{path}.") for path in paths))
    constants = [line for lines in numbers.values() for line in lines]
    if paths:
        constants += write([Assign("FROZEN", frozen)], 0)
    shapes = {
        name: f"(N, {', '.join(map(str, last(source.graph.shape(edge))))})"
        for name, edge in {**source.graph.inputs, **source.graph.outputs}.items()
    }
    parts = [
        "\n".join(header(source, "Keras", shapes)),
        "\n".join([*_imports(code), *(["", *constants] if constants else [])]),
    ]
    return (
        "\n\n".join(parts) + "\n\n\n" + "\n\n\n".join("\n".join(b) for b in body) + "\n"
    )


def last(shape: Shape | None) -> tuple[int, ...]:
    """Sizes with the channels last, as Keras has them."""
    assert shape is not None
    return (*shape.spatial, shape.sizes[0]) if shape.layout == MAPS else shape.sizes


def _imports(code: list[str]) -> list[str]:
    names = [name for name in ("layers", "ops") if uses_module(name, code)]
    lines = ["import math", ""] if uses_module("math", code) else []
    lines.append("import keras")
    return [*lines, f"from keras import {', '.join(names)}"] if names else lines


def _block(source: Source, walk: KerasWalk) -> list[str]:
    definition, block = walk.definition, walk.definition.block
    assert block is not None
    parameter = start(walk, (), "x")
    flow = Flow(parameter, [channels.IN_CHANNELS])
    flow = walk.run_list(definition.body, flow, "x")
    definition.channels = channels.without_let(definition, flow.channels)
    inner = {e.block for e in entries_of(definition.body) if isinstance(e, Use)}
    definition.functions = bool(walk.functions) or any(
        source.known[block].functions for block in inner if block in source.known
    )
    needed = set(walk.read)
    lets = let_statements(definition, needed)
    before: list[Statement] = []
    if "in_channels" in needed:
        before.append(Assign("in_channels", f"{parameter}.shape[-1]"))
    params = [parameter, *parameters(block, definition)]
    params += ["name"] if definition.extras else ["*", "name"]
    statements = [*before, *lets, *walk.statements, Assign("return", flow.code)]
    return [*signature(block.name, params, 0), *write(statements, INDENT)]


def _model(source: Source, walk: KerasWalk) -> list[str]:
    graph, spec = source.graph, source.spec
    statements, params = _inputs(source, walk)
    shape = graph.shape(next(iter(graph.inputs.values())))
    walk.commented = shape
    known = shape.channels if shape is not None else None
    flow = Flow(params[0], [Literal(known)] if known is not None else [])
    flow = walk.run_list(walk.definition.body, flow, "x")
    several = len(graph.outputs) > 1
    flow = walk.close(flow, "x")
    statements += walk.statements
    outputs = outputs_code(source, walk, flow, served_only=False)
    if source.heads_in_training:
        statements.append(Assign("outputs", outputs_code(source, walk, flow, True)))
        statements.append(If("training", [Assign("outputs", outputs)]))
        outputs = "outputs"
    elif several:
        statements.append(Assign("outputs", outputs))
        outputs = "outputs"
    inputs: Code = params[0] if len(params) == 1 else List(tuple(params))
    model = Call("keras.Model", (inputs, outputs, Keyword("name", literal(spec.name))))
    if paths := frozen_paths(source):
        _refuse_inner(source, paths)
        statements.append(Assign("model", model))
        loop = (
            "for layer in model.layers:",
            '    if f"{layer.name}.".startswith(FROZEN):',
            "        layer.trainable = False",
        )
        statements += [Raw(loop), Assign("return", "model")]
    else:
        statements.append(Assign("return", model))
    arguments = ["training=False"] if source.heads_in_training else []
    return [*signature(spec.name, arguments, 0), *write(statements, INDENT)]


def _reserve(source: Source, walks: list[KerasWalk]) -> list[Statement]:
    """Uses up the names of functions that are layers' names here."""
    functions = {name for walk in walks for name in walk.functions}
    # What a layer's class calls inside is named by no model.
    sources = [h.source for walk in walks for h in walk.helpers.values()]
    helpers = [source for source in sources if source.startswith("def ")]
    layers = [entry.name for entry in entries_of(source.spec.layers)]
    names = [*source.graph.inputs, *layers]
    times = reserved(names, functions_of(functions, helpers))
    if not times:
        return []
    why = Raw(("# Layers' names, which Keras must not give to functions:",))
    if set(times.values()) == {1}:
        take = Raw(("keras.backend.get_uid(name)",))
        return [why, For("name", literal(tuple(times)), [take])]
    pairs = Dict(tuple((f'"{name}"', str(n)) for name, n in times.items()))
    take = Raw(("for _ in range(times):", "    keras.backend.get_uid(name)"))
    return [why, For("name, times", Call(Attribute(pairs, "items"), ()), [take])]


def _refuse_inner(source: Source, frozen: list[str]) -> None:
    """Refuses a layer frozen inside a reused block: a model's loop does not see into it."""
    reused = {node.scope.path: node.scope.use for node in source.graph.layers}
    for scope, use in reused.items():
        if use is None or not use.reuses:
            continue
        inside = [path for path in frozen if path.startswith(scope)]
        if inside:
            fault = Inexpressible(
                "CS501",
                f"`{inside[0]}` is frozen in a block that is reused, and Keras source has "
                "no expression for that",
                f"write `trainable: false` beside `{use.name}`, or reuse the layers apart",
            )
            fault.entry = use
            raise fault


def _inputs(source: Source, walk: KerasWalk) -> tuple[list[Statement], list[str]]:
    graph = source.graph
    statements: list[Statement] = []
    variables: list[str] = []
    for name, edge in graph.inputs.items():
        variable = "inputs" if name == "input" else walk.local(name)
        shape = graph.shape(edge)
        assert shape is not None
        options = [Keyword("name", literal(name))]
        if shape.layout == TOKENS:
            options.insert(0, Keyword("dtype", '"int32"'))
        made = Call("keras.Input", (literal(last(shape)), *options))
        statements.append(Assign(variable, made))
        variables.append(variable)
    if variables == ["inputs"]:
        start(walk, source.spec.outputs or (), "inputs")
    else:
        walk.variables.update(zip(source.spec.inputs, variables, strict=True))
    return statements, variables
