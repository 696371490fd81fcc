"""A run of a program enters; how near each layer's value is to the reference's leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cnnspec.verify.causes import applied, is_function, likely_cause
from cnnspec.verify.exchange import LIMITS, Exchange
from cnnspec.verify.matching import Array, Match, Run, compare
from cnnspec.verify.nodes import Watched

Turn = Callable[[Watched, Array], Array]


def look(
    exchange: Exchange,
    side: str,
    pass_: str,
    run: Run,
    there: Turn,
    here: Turn,
    fault: str,
) -> None:
    """Writes how near each layer's value of a run is to that of the reference.

    Args:
        fault: why the run ended before its end; empty where it did not.
        there: turns an expected value to how the side holds it.
        here: turns a value of the side back, to (N, C, H, W).
    """
    right: dict[str, Match] = {}
    for node, expected in exchange.expected(pass_):
        match = run.match(there(node, expected), LIMITS[pass_])
        if match is not None:
            right[node.path] = match
    run.take(match.array for match in right.values())
    rows: dict[str, dict[str, Any]] = {}
    behind: dict[str, str] = {}
    for node, expected in exchange.expected(pass_):
        if node.path in right:
            rows[node.path] = _row(right[node.path])
            continue
        given = exchange.given(pass_, node)
        if len(right.keys() & rows.keys()) == len(rows):  # the first wrong one
            behind = _behind(exchange, node, given, expected, run, there, here)
        passed = [] if fault else given
        rows[node.path] = _wrong(node, expected, given, passed, run, there, here)
    found = {"rows": rows, "fault": fault, "behind": behind}
    exchange.save(f"{side}-{pass_}", found)


def _row(match: Match) -> dict[str, Any]:
    found = match._asdict()
    del found["array"]
    return found


def _wrong(
    node: Watched,
    expected: Array,
    given: list[Array],
    passed: list[Array],
    run: Run,
    there: Turn,
    here: Turn,
) -> dict[str, Any]:
    """What a layer makes whose right value is nowhere.

    Args:
        passed: what it may pass on as it is.
    """
    match = run.own(there(node, expected), node.module)
    shape = run.named_shape(node.module)
    if match is None and shape is None:
        for value in passed:
            if value.shape == expected.shape:
                match = compare(there(node, expected), there(node, value))
                break
    if match is None:
        if shape is not None:
            batch = [len(expected) if size is None else size for size in shape]
            shape = here(node, np.empty(batch, np.bool_)).shape
        return {"gap": None, "shape": shape}
    found = here(node, match.array)
    cause = likely_cause(node.op, node.layout, expected, found, given)
    return {**_row(match), "cause": cause}


def _behind(
    exchange: Exchange,
    reader: Watched,
    given: list[Array],
    expected: Array,
    run: Run,
    there: Turn,
    here: Turn,
) -> dict[str, str]:
    """An activation between a right layer and the first wrong one that reads it.

    Returns: the `layer`, its `reader` and the `function`; empty where there is none.
    """
    nodes = {node.path: node for node in exchange.nodes}
    for path, value in zip(reader.reads, given, strict=False):
        node = nodes.get(path)
        if node is None:
            continue
        for array in run.others(there(node, value)):
            function = applied(node.layout, value, here(node, array))
            if function and not is_function(node.layout, value, expected):
                return {"layer": path, "reader": reader.path, "function": function}
    return {}
