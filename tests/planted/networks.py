"""An operation and a random source enter; a small network around it, for both targets, leaves."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

from cnnspec.compile import Checked, check_source
from cnnspec.emit.build import TARGETS
from cnnspec.emit.program import program_files
from cnnspec.emit.site import Inexpressible
from cnnspec.fields import Field, LayerName, Names, Parts
from cnnspec.layers import OPERATIONS
from cnnspec.source import SourceFile
from tests.parity.drawing import TOGETHER

# What `verify` does not compare, since both frameworks draw other numbers, and what does nothing.
UNCOMPARED = (
    "dropout",
    "spatial_dropout",
    "alpha_dropout",
    "drop_path",
    "identity",
)
OPS = tuple(op for op in OPERATIONS if op not in UNCOMPARED)
INPUTS: tuple[dict[str, int], ...] = (
    {"channels": 3, "height": 7, "width": 6},
    {"channels": 3, "height": 7, "width": 6},
    {"channels": 2, "length": 9},
    {"channels": 2, "depth": 5, "height": 4, "width": 6},
    {"length": 5, "features": 6},
    {"features": 9},
    {"length": 6, "vocabulary": 7},
)
PLANTED = "planted"


class Network(NamedTuple):
    """A spec in which one layer is called `planted`.

    Args:
        files: of each target's program.
    """

    op: str
    text: str
    checked: Checked
    files: dict[str, dict[str, str]]


def draw_network(op: str, source: random.Random) -> Network:
    """The next one that the check accepts and both targets can say."""
    for _ in range(400):
        text = json.dumps(_spec(op, source))
        checked = check_source(SourceFile("spec.yaml", text), {})
        if checked.has_errors or any(d.code == "CS403" for d in checked.diagnostics):
            continue
        try:
            files = {target: program_files(checked, target, {}) for target in TARGETS}
        except Inexpressible:
            continue
        return Network(op, text, checked, files)
    raise AssertionError(f"400 specs of `{op}` in a row are refused, the last:\n{text}")


def _spec(op: str, source: random.Random) -> dict[str, Any]:
    """Something with weights before and behind it; it is trained, so that it has a loss."""
    sizes = source.choice(INPUTS)
    maps, tokens = "channels" in sizes, "vocabulary" in sizes
    values = _values(op, source)
    layers: list[Any] = []
    if not tokens:
        layers.append({**_weighted(maps, 4), "name": "before"})
        if source.random() < 0.3:
            layers.append({"batch_norm": {}, "name": "first_norm"})
    for name, field in OPERATIONS[op].fields.items():
        if isinstance(field, Names) and name in values:
            others = values[name] = source.choice((["other"], ["other", "third"]))
            if OPERATIONS[op].arity == (2, 2):
                others = values[name] = ["other"]
            layers += [
                {**_weighted(maps, 4), "name": other, "from": "input"}
                for other in others
            ]
            before = layers[: -len(others)]
            flow = before[-1]["name"] if before else "input"
            layers.append({op: values, "name": PLANTED, "from": flow})
            break
    else:
        layers.append({op: values, "name": PLANTED})
    parts = [
        v for n, v in values.items() if isinstance(OPERATIONS[op].fields[n], Parts)
    ]
    layers += [{"concat": {"with": names[1:]}, "name": "joined"} for names in parts]
    if maps and source.random() < 0.3:
        layers.append({"conv": {"filters": 3, "kernel": 1}, "name": "behind"})
    if source.random() < 0.8:
        layers.append({"flatten": {}, "name": "flat"})
    layers.append({"dense": {"units": 3}, "name": "head"})
    return {"cnnspec": 1, "name": "net", "input": sizes, "layers": layers}


def _weighted(maps: bool, width: int) -> dict[str, Any]:
    if maps:
        return {"conv": {"filters": width, "kernel": 1}}
    return {"dense": {"units": width}}


def _values(op: str, source: random.Random) -> dict[str, Any]:
    if op in TOGETHER:
        known = [values for values in TOGETHER[op] if "like" not in values]
        return dict(source.choice(known))
    return {
        name: _value(field, source)
        for name, field in OPERATIONS[op].fields.items()
        if not isinstance(field, LayerName)
        and (field.required or isinstance(field, Names) or source.random() < 0.5)
    }


def _value(field: Field[Any], source: random.Random) -> Any:
    if field.name == "kernel":  # a kernel of one pixel hides its window
        return source.choice((2, 3, 3, [3, 2]))
    return source.choice(field.samples())
