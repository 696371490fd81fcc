"""An operation and a random source enter; specs that use it leave, with values of each field.

A spec is drawn as plain data and written as JSON, which is YAML too. What the check refuses is
drawn again: how values go together only the operation knows.
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection
from typing import Any, NamedTuple

from cnnspec.compile import Checked, check_source
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.emit.site import Inexpressible
from cnnspec.fields import EDGES, NAMING, Field, Names, Parts
from cnnspec.layers import OPERATIONS
from cnnspec.source import SourceFile

Entry = dict[str, Any] | str
Values = dict[str, Any]  # of an operation's fields, by name

SIZES = (1, 2, 3, 5, 7, 8, 13)
# Layers that a merge may name, by the name they get.
NEIGHBOURS: dict[str, dict[str, Any]] = {
    "left": {"relu": {}},
    "right": {"tanh": {}, "from": "input"},
    "wide": {"conv": {"filters": 3, "kernel": 1}, "from": "input"},
    "gate": {"global_avg_pool": {"keep": True}, "from": "input"},
}
MAP_ONLY = ("wide", "gate")
# Layers whose extent another may take, maps all of them.
EXTENTS: dict[str, dict[str, Any]] = {
    "small": {"max_pool": {"kernel": 2, "rounding": "ceil"}, "from": "input"},
    "large": {"pad": {"padding": 2}, "from": "input"},
}
# What is made of the layer before for a sequence's layer, which reads that one, too; `units`
# stands for the operation's own.
BESIDE: dict[str, list[dict[str, Any]]] = {
    "state": [{"flatten": {}, "from": "before"}, {"dense": {"units": "units"}}],
    "narrow": [{"dense": {"units": 3}, "from": "before"}],
    "long": [{"reshape": {"length": -1, "features": 1}, "from": "before"}],
}
BESIDE_OF = {"initial_state": ("state",), "memory": ("narrow", "long")}
# Values for operations whose fields go together in a few ways only.
TOGETHER: dict[str, list[Values]] = {
    "reshape": [
        {"features": -1},
        {"length": -1, "features": 2},
        {"length": 2, "features": -1},
        {"channels": -1, "length": 2},
        {"channels": 4, "length": -1},
        {"channels": 2, "length": -1},
        {"channels": 6, "length": -1},
        {"channels": 2, "height": -1, "width": 1},
        {"channels": 4, "height": -1, "width": 3},
        {"channels": -1, "height": 2, "width": 2},
        {"channels": 3, "height": 2, "width": -1},
        {"channels": -1, "depth": 1, "height": 2, "width": 3},
        {"channels": 2, "depth": 2, "height": -1, "width": 1},
        {"channels": 2, "height": 2, "width": 3},
        {"features": 12},
    ],
    "upsample": [
        {way: value, "method": method}
        for way, value in [
            ("scale", 1),
            ("scale", 2),
            ("scale", 3),
            ("scale", [2, 1]),
            ("scale", [2]),
            ("scale", [1, 2, 3]),
            ("size", 5),
            ("size", 16),
            ("size", [7, 4]),
            ("size", [3]),
            ("size", [4, 3, 9]),
            ("like", "small"),
            ("like", "large"),
        ]
        for method in ("nearest", "bilinear")
    ],
    "crop": [
        *({"cropping": v} for v in (1, 2, [1, 0], [0, 1, 2, 1], [2], [1, 0, 1])),
        {"like": "small"},
        {"like": "small"},
    ],
}


class Drawn(NamedTuple):
    """An accepted spec: its text, and the values that each use of the operation has."""

    text: str
    checked: Checked
    uses: list[Values]


class Count:
    """How many draws came to what."""

    def __init__(self) -> None:
        self.accepted = self.refused = self.inexpressible = 0


def draw(op: str, source: random.Random, in_block: bool, count: Count) -> Drawn:
    """The next spec that the check accepts and both targets can say."""
    for _ in range(400):
        uses = [_values(op, source)]
        if in_block:
            uses += [_values(op, source, uses[0]) for _ in range(source.choice((1, 2)))]
            spec = _block_spec(op, source, uses)
        else:
            spec = _plain_spec(op, source, uses[0])
        text = json.dumps(spec)
        checked = check_source(SourceFile("spec.yaml", text), {})
        # Keras' functional models drop what nobody reads (CS403), so counts would differ.
        unread = any(d.code == "CS403" for d in checked.diagnostics)
        if checked.has_errors or unread:
            count.refused += 1
            continue
        try:
            for target in TARGETS:
                model_text(checked, target, None)
        except Inexpressible:
            count.inexpressible += 1
            continue
        count.accepted += 1
        return Drawn(text, checked, uses)
    raise AssertionError(f"400 specs of `{op}` in a row are refused, the last:\n{text}")


def _values(op: str, source: random.Random, like: Values | None = None) -> Values:
    """Values of an operation's fields; `like`: as another's, but for a field or two."""
    fields = OPERATIONS[op].fields
    if op in TOGETHER:
        found = [v for v in TOGETHER[op] if like is None or v.keys() == like.keys()]
        return source.choice(found)
    if like is not None:
        changed = source.sample(sorted(fields), min(len(fields), source.choice((1, 2))))
        return like | {n: _value(fields[n], source) for n in changed if n in like}
    given = {}
    for name, field in fields.items():
        if field.required or source.random() < 0.6:
            given[name] = _value(field, source)
    return given


def _value(field: Field[Any], source: random.Random) -> Any:
    if field.name in BESIDE_OF:
        return source.choice(BESIDE_OF[field.name])
    if isinstance(field, Names):
        return source.sample(sorted(NEIGHBOURS), source.choice((0, 1, 1, 2, 3)))
    return source.choice(field.samples())


def _input(source: random.Random) -> dict[str, int]:
    kind = source.choice(
        (("length",), ("height", "width"), ("height", "width"), (), "v", "s", "t")
    )
    length = {"length": source.choice((1, 2, 3, 5))}
    if kind == "s":
        return {**length, "features": source.choice((2, 4, 6, 12))}
    if kind == "t":
        return {**length, "vocabulary": source.choice((1, 2, 7))}
    if kind == "v":
        kind = ("depth", "height", "width")
    if not kind:
        return {"features": source.choice((1, 4, 6, 12))}
    sizes = SIZES if len(kind) < 3 else (2, 3, 4, 5)
    return {
        "channels": source.choice((1, 2, 4, 4, 6)),
        **{axis: source.choice(sizes) for axis in kind},
    }


def _surrounded(
    op: str, values: Values, shared: dict[str, Any], given: Values, is_maps: bool
) -> list[Entry]:
    """The operation's entry, after the layers that it names."""
    named = _named(op, values)
    entries: list[Entry] = [
        {**layer, "name": name}
        for name, layer in {**NEIGHBOURS, **EXTENTS}.items()
        if name in named
    ]
    beside = [*_beside(named & BESIDE.keys(), given)]
    if beside:
        return [*beside, {op: given, "from": "before", **shared}]
    if not is_maps and "wide" in named:
        entries = [
            {"dense": {"units": 3}, "name": "wide"} if e["name"] == "wide" else e  # type: ignore[index, call-overload]
            for e in entries
        ]
    if OPERATIONS[op].arity == (2, 2) or named & EXTENTS.keys():
        # The flow must not be the layer that is named.
        entries.append({"sigmoid": {}, "from": "input"})
    # A layer whose extent is taken must be read elsewhere, too.
    read = [{"concat": {"with": [name]}} for name in sorted(named & EXTENTS.keys())]
    return [*entries, {op: given, **shared}, *read, *_joined(op, values)]


def _named(op: str, values: Values) -> set[str]:
    """The layers that an operation's fields name."""
    return {
        name
        for field, value in values.items()
        if isinstance(OPERATIONS[op].fields[field], EDGES)
        for name in ([value] if isinstance(value, str) else value)
    }


def _beside(named: Collection[str], given: Values) -> list[Entry]:
    """The layers of these names, after the one that they read."""
    entries: list[Entry] = [{"identity": {}, "name": "before"}] if named else []
    for name in sorted(named):
        *firsts, last = BESIDE[name]
        if "dense" in last and last["dense"]["units"] == "units":
            last = {"dense": {"units": given["units"]}}
        entries += [*firsts, {**last, "name": name}]
    return entries


def _joined(op: str, values: Values) -> list[Entry]:
    """What reads all parts of an operation with several outputs."""
    named = [
        v for n, v in values.items() if isinstance(OPERATIONS[op].fields[n], Parts)
    ]
    return [{"concat": {"with": names[1:]}} for names in named]


def _plain_spec(op: str, source: random.Random, values: Values) -> dict[str, Any]:
    sizes = _input(source)
    is_maps = "channels" in sizes
    befores: list[list[Entry]] = [[], [], ["relu"], ["batch_norm"]]
    if is_maps:
        befores.append([{"conv": {"filters": 4, "kernel": 1}}])
    afters: list[list[Entry]] = [[], [], ["tanh"], ["flatten", {"dense": {"units": 3}}]]
    shared = {"repeat": 2} if source.random() < 0.15 else {}
    layers = [
        *source.choice(befores),
        *_surrounded(op, values, shared, values, is_maps),
        *source.choice(afters),
    ]
    return {"cnnspec": 1, "name": "net", "input": sizes, "layers": layers}


def _block_spec(op: str, source: random.Random, uses: list[Values]) -> dict[str, Any]:
    """The operation in a block whose arguments carry its fields, used with different values."""
    sizes = _input(source)
    first, fields = uses[0], OPERATIONS[op].fields
    carried = [n for n in first if not isinstance(fields[n], NAMING)]
    given = {n: f"$its_{n}" if n in carried else v for n, v in first.items()}
    added = dict.fromkeys(carried, 0)
    for name in carried:
        is_whole = all(type(use[name]) is int for use in uses)
        if is_whole and source.random() < 0.2:  # an expression, not a name alone
            given[name], added[name] = f"$(its_{name} - 1)", 1
    args: dict[str, Any] = dict.fromkeys(f"its_{name}" for name in carried)
    kind = source.choice(("", "", "when", "repeat"))
    if _named(op, first) & EXTENTS.keys():
        kind = ""  # what is dropped has another extent
    if kind:
        args["extra"] = True if kind == "when" else 1
    shared = {kind: "$extra"} if kind else {}
    block = _surrounded(op, first, shared, given, "channels" in sizes)
    if source.random() < 0.3:
        block.append("tanh")
    apart = source.random() < 0.5
    layers: list[Entry] = []
    for number, use in enumerate(uses):
        call = {f"its_{n}": use[n] + added[n] if added[n] else use[n] for n in carried}
        if kind and number:
            call["extra"] = False if kind == "when" else source.choice((0, 2))
        entry: dict[str, Any] = {"unit": call}
        if apart:
            entry |= {"name": f"use{number}"} | ({"from": "input"} if number else {})
        elif source.random() < 0.15:
            entry["repeat"] = 2
        layers.append(entry)
    spec: dict[str, Any] = {
        "cnnspec": 1,
        "name": "net",
        "input": sizes,
        "blocks": {"unit": {"args": args, "layers": block}},
        "layers": layers,
    }
    if apart:
        spec["outputs"] = [f"use{number}" for number in range(len(uses))]
    return spec
