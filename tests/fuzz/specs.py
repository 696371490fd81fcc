"""A seed and a number enter; a spec that the check accepts leaves, always the same one.

Each number has a target: an operation, and one of its fields off its default. So no operation
and no field is rare in a long run, and each spec can be drawn alone.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from typing import Any, NamedTuple

from hypothesis import strategies as st

from cnnspec.compile import Checked, check_source
from cnnspec.diagnostics import Bag
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.emit.site import Inexpressible
from cnnspec.expand import expand
from cnnspec.graph import Graph, Node
from cnnspec.inputs import KINDS, InputKind
from cnnspec.layers import OPERATIONS
from cnnspec.resolve import resolve
from cnnspec.shapes import TOKENS, Shape
from cnnspec.source import SourceFile
from cnnspec.yamltree import parse
from tests.fuzz.flows import Flows
from tests.fuzz.joins import MERGES
from tests.fuzz.operations import Part
from tests.fuzz.scope import Entry, Names, Scope
from tests.fuzz.values import accepted, draw_input, input_of
from tests.parity.harness import loss_of
from tests.parity.renaming import renamed

# An operation without fields is a target by itself.
AIMS: tuple[tuple[str, str | None], ...] = tuple(
    (op, field) for op, cls in OPERATIONS.items() for field in (None, *cls.fields)
)
MOST_NODES = 60


class Drawn(NamedTuple):
    """An accepted spec: its text, and what both targets make of it."""

    text: str
    checked: Checked
    models: dict[str, str]


Counts = Counter[str]  # how many draws were accepted or refused, and by what


def draw_spec(seed: int | str, number: int, counts: Counts | None = None) -> Drawn:
    """The spec of this number."""
    target = AIMS[number % len(AIMS)]
    return spec_from(random.Random(f"{seed}:{number}"), target, counts)


@st.composite
def valid_specs(draw: st.DrawFn) -> Drawn:
    """Specs that the check accepts, with any operation and field."""
    source = draw(st.randoms(use_true_random=False))
    return spec_from(source, draw(st.sampled_from(AIMS)))


def spec_from(
    source: random.Random, target: tuple[str, str | None], counts: Counts | None = None
) -> Drawn:
    """The next draw that is accepted."""
    counts = Counter() if counts is None else counts
    for _ in range(60):
        spec = Specs(source).spec(*target)
        if spec is None:
            counts["undrawn"] += 1
            continue
        text = json.dumps(spec)
        checked = accepted_text(text, counts)
        if checked is None:
            continue
        if source.random() < 0.15:
            hostile = renamed(text, source)
            found = accepted_text(hostile, Counter())
            if found is not None:
                text, checked = hostile, found
        try:
            loss = loss_of(checked)
            models = {side: model_text(checked, side, loss) for side in TARGETS}
        except Inexpressible as fault:
            counts[fault.code] += 1
            continue
        counts["accepted"] += 1
        return Drawn(text, checked, models)
    raise AssertionError(f"60 draws in a row are refused, for {target}")


def accepted_text(text: str, counts: Counts) -> Checked | None:
    found = trial(text)
    if isinstance(found, str):
        counts[found] += 1
        return None
    checked = check_source(SourceFile("spec.yaml", text), {})
    graph = checked.graph
    if checked.has_errors or graph is None:  # of data and training
        counts[checked.diagnostics[0].code] += 1
        return None
    if any(is_misadded(node, graph) for node in graph.layers):
        counts["misadded"] += 1
        return None
    if len(graph.layers) > MOST_NODES:
        counts["large"] += 1
        return None
    return checked


def is_misadded(node: Node, graph: Graph) -> bool:
    """Whether Keras 3.15.1 adds the biases of an attention along the wrong axis.

    Its `ops.add` takes (heads, 1) for a bias of the axis before where that is as long.
    """
    if node.layer is None or node.layer.op != "attention":
        return False
    shapes, heads = graph.shapes_in(node), node.layer.values["heads"]
    lengths = {shape.sizes[0] for shape in shapes}
    return bool(heads > 1 and shapes[0].sizes[1] == heads and heads in lengths)


def trial(text: str) -> Shape | str:
    """The output's shape, or a code of what is wrong: a check that seeks no remedies."""
    bag = Bag()
    root = parse(SourceFile("spec.yaml", text), bag)
    if root is None:
        return bag.sorted()[0].code
    spec = resolve(root, {}, bag)
    graph, faults = expand(spec, "spec.yaml", bag)
    if bag.has_errors:
        return next(d.code for d in bag.sorted() if d.severity == "error")
    if faults and any(f.remark.code < "CS4" for f in faults):
        return next(f.remark.code for f in faults if f.remark.code < "CS4")
    shapes = [graph.shape(edge) for edge in graph.outputs.values()]
    return (shapes[0] if shapes else None) or "empty"


def probe(entry: Entry, shape: Shape, names: Names) -> Shape | None:
    """What an entry gives that stands alone."""
    spec = frame(names) | {"input": input_of(shape), "layers": [entry]}
    found = trial(json.dumps(spec))
    return None if isinstance(found, str) else found


def frame(names: Names) -> dict[str, Any]:
    blocks = {name: block.spec for name, block in names.blocks.items()}
    spec: dict[str, Any] = {"cnnspec": 1, "name": "net"}
    if names.variables:
        spec["vars"] = dict(names.variables)
    return spec | ({"blocks": blocks} if blocks else {})


class Specs:
    """Draws one spec."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.names = Names(source)
        self.flows = Flows(self.names, probe)

    def spec(self, op: str, field: str | None) -> dict[str, Any] | None:
        """A spec that uses the operation, or None where this draw leads nowhere."""
        sizes = self.entering(op, field)
        if sizes is None:
            return None
        source, shape = self.source, shape_of(sizes)
        several = source.random() < 0.12
        scope = Scope(self.names, None, None if several else shape.channels)
        if not several:
            scope.layers["input"] = shape
        depth = source.choice((0, 1, 1, 1, 2, 2))

        def make(inside: Scope, entered: Shape) -> Part | None:
            return self.flows.operation(op, inside, entered, field)

        inputs: dict[str, Any] = {"input": sizes}
        if several:
            inputs = {"inputs": self.inputs(sizes)}
        part = self.flows.flow(scope, shape, depth, make)
        if part is None:
            return None
        layers, output = part
        if several:
            if "from" in layers[0] or "reuse" in layers[0]:
                return None
            layers[0] = {**layers[0], "from": next(iter(inputs["inputs"]))}
            layers = self.joined(layers, output, inputs["inputs"])
        elif source.random() < 0.1 and output.layout != TOKENS:
            layers = self.with_head(layers, scope, output)
        outputs, train = self.ends(layers, scope, output, several)
        spec = frame(self.names) | inputs | {"layers": layers}
        return pruned(spec | outputs | train)

    def entering(self, op: str, field: str | None) -> dict[str, int] | None:
        """Sizes of an input that the operation takes."""
        names = Names(self.source)
        trial = Flows(names, probe)
        for _ in range(25):
            sizes = draw_input(self.source)
            scope = Scope(names, None, None)
            if trial.operation(op, scope, shape_of(sizes), field) is not None:
                return sizes
        return None

    def inputs(self, sizes: dict[str, int]) -> dict[str, dict[str, int]]:
        names = [
            self.names.fresh("source") for _ in range(self.source.choice((2, 2, 3)))
        ]
        others = [
            sizes if self.source.random() < 0.5 else draw_input(self.source)
            for _ in names[1:]
        ]
        return dict(zip(names, [sizes, *others], strict=True))

    def joined(
        self, layers: list[Entry], output: Shape, inputs: dict[str, dict[str, int]]
    ) -> list[Entry]:
        """All inputs are read: those of the output's shape as they are, the rest as vectors."""
        source = self.source
        shapes = {n: shape_of(s) for n, s in list(inputs.items())[1:]}
        if all(s == output for s in shapes.values()) and output.layout != TOKENS:
            merge = source.choice(MERGES)
            return [*layers, {merge: {"with": list(shapes)}}]
        ends = []
        for name, shape in {"": output, **shapes}.items():
            entries: list[Entry] = []
            if shape.layout == TOKENS:
                entries = [{"embedding": {"features": 2}}, {"flatten": {}}]
            elif shape.layout != "vector":
                entries = [{"flatten": {}}]
            else:
                entries = [{"identity": {}}]
            if name:
                entries[0]["from"] = name
            end = self.names.fresh("layer")
            entries[-1]["name"] = end
            ends.append(end)
            layers = [*layers, *entries]
        return [*layers, {"concat": {"with": ends[:-1]}}]

    def with_head(
        self, layers: list[Entry], scope: Scope, output: Shape
    ) -> list[Entry]:
        source = self.source
        part = self.flows.flow(scope.inner(), output, 0)
        assert part is not None
        head: Entry = {"name": self.names.fresh("head"), "layers": part[0]}
        if source.random() < 0.5:
            head["serve"] = source.random() < 0.5
        if source.random() < 0.3:
            head["loss_weight"] = source.choice((0.3, 2.5, 0))
        after, _ = self.flows.any_operation(scope, output)
        return [*layers, {"head": head}, *after]

    def ends(
        self, layers: list[Entry], scope: Scope, output: Shape, several: bool
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What stands behind the layers: a classifier, named outputs, a loss."""
        source = self.source
        if source.random() < 0.06 and output.layout != TOKENS and not several:
            layers += [{"flatten": {}}, {"dense": {"units": 3}}]
            if source.random() < 0.5:
                layers.append({"softmax": {}})
            loss = source.choice(("cross_entropy", "mean_squared_error"))
            return {}, {"train": {"loss": loss}}
        last = layers[-1]
        seen = [n for n in scope.layers if any(e.get("name") == n for e in layers)]
        if source.random() < 0.15 and "head" not in last:
            name = last.setdefault("name", self.names.fresh("layer"))
            chosen = source.sample(seen, min(len(seen), source.choice((0, 1, 2))))
            names = list(dict.fromkeys([*chosen, name]))
            source.shuffle(names)
            heads = [e["head"]["name"] for e in layers if "head" in e]
            return {"outputs": [*names, *heads]}, {}
        return {}, {}


def shape_of(sizes: dict[str, int]) -> Shape:
    """The shape of an input's sizes."""
    for kind in KINDS:
        if set(kind.fields) == set(sizes):
            declared = accepted(kind, sizes)
            assert isinstance(declared, InputKind)
            return declared.shape()
    raise AssertionError(sizes)


def pruned(spec: dict[str, Any]) -> dict[str, Any]:
    """Without the blocks, arguments and variables that no draw came to use."""
    while True:
        before = json.dumps(spec)
        layers = json.dumps(spec["layers"])
        blocks = spec.get("blocks", {})
        for name in list(blocks):
            others = json.dumps([b for n, b in blocks.items() if n != name])
            if f'"{name}"' not in layers + others:
                del blocks[name]
        if "blocks" in spec and not blocks:
            del spec["blocks"]
        variables = spec.get("vars", {})
        for name in list(variables):
            if not re.search(rf"[$( ]{name}\b", before):
                del variables[name]
        if "vars" in spec and not variables:
            del spec["vars"]
        if json.dumps(spec) == before:
            return spec


def uses_of(checked: Checked) -> Counter[str]:
    """How often each operation stands in the graph, and each field off its default."""
    found: Counter[str] = Counter()
    assert checked.graph is not None
    for node in checked.graph.layers:
        layer = node.layer
        assert layer is not None
        found[layer.op] += 1
        for name, field in layer.fields.items():
            value = layer.values[name]
            if value not in (field.default, ()):
                found[f"{layer.op}.{name}"] += 1
    return found
