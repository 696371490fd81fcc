"""A random source enters, specs of random structure leave: blocks, repeats, branches, names.

A spec is drawn without regard to shapes; what the check refuses is drawn again. Its names are
neutral, and afterwards hostile ones take their places.
"""

from __future__ import annotations

import json
import random
from typing import Any

from cnnspec.compile import Checked, check_source
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.emit.site import Inexpressible
from cnnspec.source import SourceFile
from tests.parity.harness import loss_of
from tests.parity.renaming import renamed

Entry = dict[str, Any]

INPUTS: list[dict[str, int]] = [
    {"channels": 4, "height": 9, "width": 7},
    {"channels": 3, "height": 8, "width": 8},
    {"channels": 4, "height": 8, "width": 8},
    {"channels": 4, "length": 13},
    {"channels": 2, "depth": 4, "height": 5, "width": 4},
]
ELEMENTWISE = ("relu", "tanh", "sigmoid", "batch_norm", "identity")
MERGES = ("add", "average", "maximum", "concat")  # a product of products overflows
MOST_LAYERS = 80  # of an expanded graph


class Scope:
    """What expressions and references may say at a place."""

    def __init__(self, numbers: list[str], flags: list[str], counts: list[str]) -> None:
        self.numbers, self.flags, self.counts = numbers, flags, counts
        self.names: list[str] = []
        self.factors: list[str] = []
        self.in_block = False
        self.index = False
        self.input = ["input"]
        self.used: set[str] = set()

    def inner(self, index: bool = False) -> Scope:
        scope = Scope(self.numbers, self.flags, self.counts)
        scope.names, scope.in_block = list(self.names), self.in_block
        scope.index, scope.used = self.index or index, self.used
        scope.factors, scope.input = self.factors, self.input
        return scope


class Structures:
    """Draws the parts of one spec."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.blocks: dict[str, dict[str, Any]] = {}
        self.named = 0

    def spec(self) -> dict[str, Any]:
        draw = self.source
        for number in range(draw.choice((0, 1, 1, 2, 2, 3))):
            self.block(f"unit_{'abc'[number]}")
        scope = Scope(["var_size"], ["var_wide"], ["var_depth"])
        scope.factors = ["var_share"]
        spec: dict[str, Any] = {"cnnspec": 1, "name": "net"}
        spec["vars"] = {
            "var_size": 4,
            "var_wide": draw.random() < 0.5,
            "var_depth": 2,
            "var_share": draw.choice((0.5, 1.5)),
        }
        spec |= self.inputs(scope)
        layers = self.body(scope, 2, draw.choice((2, 3, 4, 5)))
        if "inputs" in spec:  # the first layer says which, the last reads the rest
            layers.insert(0, {"identity": {}, "from": scope.input[0]})
            merge = draw.choice(("add", "concat"))
            layers.append({merge: {"with": scope.input[1:]}})
        spec |= {"blocks": self.blocks, "layers": layers}
        self.end(spec, scope)
        return spec

    def inputs(self, scope: Scope) -> dict[str, Any]:
        draw, sizes = self.source, self.source.choice(INPUTS)
        if draw.random() < 0.75:
            return {"input": sizes}
        scope.input = [f"source_{n}" for n in range(1, draw.choice((2, 2, 3)) + 1)]
        scope.names = list(scope.input)
        return {"inputs": dict.fromkeys(scope.input, sizes)}

    def end(self, spec: dict[str, Any], scope: Scope) -> None:
        """What stands behind the drawn layers: a classifier, a head, `outputs`, a loss."""
        draw, layers = self.source, spec["layers"]
        if draw.random() < 0.15:
            head = {"name": "head_side", "serve": draw.random() < 0.5}
            ends = draw.choice(([], [{"softmax": {}}]))
            head["layers"] = [{"flatten": {}}, {"dense": {"units": 2}}, *ends]
            layers += [{"head": head}, {"relu": {}}]
        elif draw.random() < 0.3:
            layers += [{"global_avg_pool": {}}, {"dense": {"units": "$var_size"}}]
        elif draw.random() < 0.2:
            layers += [{"flatten": {}}, {"dense": {"units": 3, "activation": "tanh"}}]
        if draw.random() < 0.25:
            layers.append({"softmax": {}})
            if draw.random() < 0.3:
                layers.append({"relu": {}, "when": "$(not var_wide)"})
        elif draw.random() < 0.2:
            last = {"conv": {"filters": 3, "kernel": 1, "activation": "softmax"}}
            layers.append(last)
        if draw.random() < 0.25:
            layers.append({"tanh": {}, "name": "layer_0"})
            seen = list(dict.fromkeys([*scope.names, *scope.input]))
            chosen = draw.sample(seen, min(len(seen), draw.choice((0, 1, 2))))
            spec["outputs"] = draw.sample([*chosen, "layer_0"], len(chosen) + 1)
        if draw.random() < 0.35:
            loss = draw.choice(("cross_entropy", "cross_entropy", "mean_squared_error"))
            spec["train"] = {"loss": loss}

    def block(self, name: str) -> None:
        draw = self.source
        args: dict[str, Any] = {"arg_width": None}
        if draw.random() < 0.5:
            args["arg_flag"] = True
        if draw.random() < 0.4:
            args["arg_times"] = 1
        if draw.random() < 0.4:
            args["arg_kernel"] = 3
        if draw.random() < 0.3:
            args["arg_stride"] = 1
        scope = Scope(
            ["arg_width"],
            ["arg_flag"] * ("arg_flag" in args),
            ["arg_times"] * ("arg_times" in args),
        )
        if draw.random() < 0.4:
            args["arg_share"] = 0.5
            scope.factors = ["arg_share"]
        scope.in_block = True
        spec: dict[str, Any] = {"args": args}
        if draw.random() < 0.4:
            said = draw.choice(
                (
                    "$(arg_width * 2)",
                    "$(in_channels * 2)",
                    "$(max(2, arg_width // 2))",
                )
            )
            spec["let"] = {"local_middle": said}
            scope.numbers.append("local_middle")
        self.kernel = "$arg_kernel" if "arg_kernel" in args else None
        self.stride = "$arg_stride" if "arg_stride" in args else None
        spec["layers"] = self.body(scope, 2, draw.choice((1, 2, 3)))
        self.kernel = self.stride = None
        self.blocks[name] = spec

    kernel: str | None = None
    stride: str | None = None

    def body(self, scope: Scope, depth: int, entries: int) -> list[Entry]:
        return [self.entry(scope, depth) for _ in range(entries)]

    def entry(self, scope: Scope, depth: int) -> Entry:
        draw = self.source
        shared: Entry = {}
        repeats = draw.random() < (0.35 if scope.index else 0.2)
        if repeats:
            counts = [2, 3, 1, *(f"${c}" for c in scope.counts)]
            counts += ["$(index + 1)"] * (2 * scope.index)
            shared["repeat"] = draw.choice(counts)
        condition = self.condition(scope)
        if draw.random() < 0.2 and condition is not None:
            shared["when"] = condition
        if draw.random() < 0.15 and scope.names:
            shared["from"] = draw.choice([*scope.names, *scope.input])
        entry = self.operation(scope.inner(index=repeats), depth) | shared
        if draw.random() < 0.25:
            self.named += 1
            entry["name"] = f"layer_{self.named}"
            scope.names.append(entry["name"])
        if draw.random() < 0.04:
            entry["trainable"] = False
        return entry

    def condition(self, scope: Scope) -> str | None:
        found = [f"${flag}" for flag in scope.flags]
        found += [f"$(not {flag})" for flag in scope.flags]
        if scope.index:
            found += ["$(index > 0)", "$(index == 0)"]
        if scope.in_block:
            found += ["$(in_channels != arg_width)", "$(in_channels > 4)"]
        return self.source.choice(found) if found else None

    def number(self, scope: Scope) -> Any:
        found: list[Any] = [2, 4, 6]
        for name in scope.numbers:
            found += [f"${name}", f"$({name} * 2)", f"${name}"]
            if scope.index:
                found += [f"$({name} + index * 2)", f"$({name} * (index + 1))"]
            found += [f"$(round({name} * {factor}))" for factor in scope.factors]
        if scope.in_block:
            found += ["$in_channels", "$in_channels", "$(in_channels * 2)"]
            for factor in scope.factors:
                found.append(f"$(max(1, round(in_channels * {factor})))")
        return self.source.choice(found)

    def operation(self, scope: Scope, depth: int) -> Entry:
        draw = self.source
        chance = draw.random()
        if self.blocks and chance < 0.25:
            name = draw.choice(list(self.blocks))
            return {name: self.arguments(name, scope)}
        if depth and chance < 0.28:
            return self.growing(scope)
        if depth and chance < 0.4:
            return {"residual": self.residual(scope, depth - 1)}
        if depth and chance < 0.5:
            return {"parallel": self.parallel(scope, depth - 1)}
        if scope.names and chance < 0.6:
            seen = list(dict.fromkeys([*scope.names, *scope.input]))
            names = draw.sample(seen, min(len(seen), draw.choice((1, 1, 2))))
            return {draw.choice(MERGES): {"with": names}}
        if chance < 0.8:
            return {"conv": self.conv(scope)}
        if chance < 0.87:
            return {
                draw.choice(("max_pool", "avg_pool")): draw.choice(
                    (
                        {"kernel": 3, "stride": 1, "padding": 1},
                        {"kernel": 2},
                        {"kernel": 3, "stride": 2, "padding": "same"},
                    )
                )
            }
        return {draw.choice(ELEMENTWISE): {}}

    def growing(self, scope: Scope) -> Entry:
        """A container that, repeated, takes more channels in its second round."""
        conv: Entry = {"conv": self.conv(scope)}
        if self.source.random() < 0.5:
            return {"parallel": {"branches": [[], [conv]]}}
        return {"residual": {"connect": False, "body": [conv, {"relu": {}}]}}

    def conv(self, scope: Scope) -> Entry:
        draw = self.source
        fields: Entry = {"filters": self.number(scope)}
        fields |= draw.choice(
            (
                {"kernel": 1},
                {"kernel": 3, "padding": 1},
                {"kernel": 3, "padding": "same"},
            )
        )
        if self.kernel and draw.random() < 0.5:
            fields |= {"kernel": self.kernel, "padding": "same"}
        if self.stride and draw.random() < 0.5:
            fields["stride"] = self.stride
        if draw.random() < 0.2:
            fields["activation"] = draw.choice(("relu", "tanh"))
        if draw.random() < 0.2:
            fields["bias"] = draw.choice((False, *(f"${flag}" for flag in scope.flags)))
        if draw.random() < 0.1:
            fields["groups"] = 2
        return fields

    def residual(self, scope: Scope, depth: int) -> Entry:
        draw = self.source
        fields: Entry = {"body": self.body(scope.inner(), depth, draw.choice((1, 2)))}
        if draw.random() < 0.5:  # ends in as many channels as the shortcut
            filters = self.number(scope)
            fields["body"].append({"conv": {"filters": filters, "kernel": 1}})
            shortcut: Entry = {"conv": {"filters": filters, "kernel": 1}}
            if scope.in_block and draw.random() < 0.5 and isinstance(filters, str):
                shortcut["when"] = f"$(in_channels != {filters.strip('$()') or 1})"
            fields["shortcut"] = [shortcut]
        elif draw.random() < 0.25 and (condition := self.condition(scope)):
            fields["connect"] = condition
        return fields

    def parallel(self, scope: Scope, depth: int) -> Entry:
        draw = self.source
        branches: list[list[Entry]] = [
            self.body(scope.inner(), depth, draw.choice((0, 1, 1, 2)))
            for _ in range(draw.choice((2, 2, 3)))
        ]
        fields: Entry = {"branches": branches}
        if draw.random() < 0.5:
            fields["merge"] = draw.choice(MERGES)
        if draw.random() < 0.2:
            fields["split"] = True
        return fields

    def arguments(self, name: str, scope: Scope) -> Entry:
        draw = self.source
        given: Entry = {"arg_width": self.number(scope)}
        args = self.blocks[name]["args"]
        if "arg_flag" in args and draw.random() < 0.5:
            given["arg_flag"] = draw.choice(
                (False, *(f"${flag}" for flag in scope.flags))
            )
        if "arg_times" in args and draw.random() < 0.6:
            given["arg_times"] = draw.choice((2, 3, *(f"${c}" for c in scope.counts)))
        if "arg_kernel" in args and draw.random() < 0.5:
            given["arg_kernel"] = 1
        if "arg_stride" in args and draw.random() < 0.5:
            given["arg_stride"] = draw.choice(
                (2, 2, "$(1 + index % 2)" if scope.index else 2)
            )
        if "arg_share" in args and draw.random() < 0.5:
            given["arg_share"] = draw.choice(
                (0.25, 1.5, *(f"${factor}" for factor in scope.factors))
            )
        return given


class Refused(Exception):
    """A spec that the check accepts and a target can't say."""


def draw_structure(source: random.Random) -> tuple[str, Checked]:
    """The next spec that the check accepts; raises Refused where a target has no words for it."""
    while True:
        text = json.dumps(Structures(source).spec())
        checked = _accepted(text)
        if checked is None:
            continue
        for _ in range(4):  # names may clash
            hostile = renamed(text, source)
            if (found := _accepted(hostile)) is not None:
                text, checked = hostile, found
                break
        try:
            for target in TARGETS:
                model_text(checked, target, loss_of(checked))
        except Inexpressible as fault:
            raise Refused(f"{fault.message}\n{text}") from fault
        return text, checked


def _accepted(text: str) -> Checked | None:
    checked = check_source(SourceFile("spec.yaml", text), {})
    if checked.has_errors or checked.graph is None:
        return None
    return checked if len(checked.graph.layers) <= MOST_LAYERS else None
