"""A run of a program enters; how near each layer's value is to the reference's leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cnnspec.layers.activation import FUNCTIONS
from cnnspec.verify.causes import applied, channels_second, likely_cause
from cnnspec.verify.exchange import LIMITS, Exchange
from cnnspec.verify.functions import FUNCTIONS as EVERY
from cnnspec.verify.matching import Array, Match, Run, compare
from cnnspec.verify.nodes import Watched

Row = dict[str, Any]


class Look(NamedTuple):
    """A run of one side.

    Args:
        there: turns an expected value to how the side holds it.
        here: turns a value of the side back, to (N, C, H, W).
        fault: why the run ended before its end; empty where it did not.
    """

    exchange: Exchange
    pass_: str
    run: Run
    there: Callable[[Watched, Array], Array]
    here: Callable[[Watched, Array], Array]
    fault: str

    def save(self, side: str) -> None:
        """Writes how near each layer's value is."""
        right: dict[str, Match] = {}
        for node, expected in self.exchange.expected(self.pass_):
            match = self.run.match(self.there(node, expected), LIMITS[self.pass_])
            if match is not None:
                right[node.path] = match
        self.run.take(match.array for match in right.values())
        rows: dict[str, Row] = {}
        behind: dict[str, str] = {}
        for node, expected in self.exchange.expected(self.pass_):
            if node.path in right:
                rows[node.path] = _row(right[node.path])
                continue
            if node.module in self.run.unread:
                continue  # who should have read it is wrong
            if rows.keys() <= right.keys():  # it is the first wrong one
                behind = self._behind(node, expected)
            rows[node.path] = self._wrong(node, expected)
        unread = sorted(self.run.unread)
        found = {"rows": rows, "fault": self.fault, "behind": behind, "unread": unread}
        self.exchange.save(f"{side}-{self.pass_}", found)

    def _wrong(self, node: Watched, expected: Array) -> Row:
        """What a layer makes whose right value is nowhere."""
        match = self.run.own(self.there(node, expected), node.module)
        shape = self.run.named_shape(node.module)
        if match is None and shape is None and not self.fault:
            match = self._passed_on(node, expected)
        if match is None and shape is not None:
            batch = [len(expected) if size is None else size for size in shape]
            shape = self.here(node, np.empty(batch, np.bool_)).shape
        if match is None:
            return {"gap": None, "shape": shape}
        if node.module in self.run.idle and not self.fault:
            return {**_row(match), "cause": "it is never called"}
        cause = self._cause(node, expected, self.here(node, match.array))
        for array in self.run.others(match.array):
            if not cause.endswith(MISSING):
                break
            value, made = map(self._turned(node), (match.array, array))
            function = applied(value, made, EVERY)
            if function:
                match = compare(self.there(node, expected), array)
                wanted = cause.removesuffix(MISSING)
                cause = f"{function} is applied to it in place of {wanted}"
        return {**_row(match), "cause": cause}

    def _passed_on(self, node: Watched, expected: Array) -> Match | None:
        """What the layer reads, where the program makes nothing else."""
        for _, value in self.exchange.given(self.pass_, node):
            if value.shape == expected.shape:
                return compare(self.there(node, expected), self.there(node, value))
        return None

    def _cause(self, node: Watched, expected: Array, found: Array) -> str:
        given = self.exchange.given(self.pass_, node)
        inputs = [channels_second(layout, array) for layout, array in given]
        ours, theirs = (channels_second(node.layout, a) for a in (expected, found))
        return likely_cause(node.op, ours, theirs, inputs)

    def _turned(self, node: Watched) -> Callable[[Array], Array]:
        return lambda array: channels_second(node.layout, self.here(node, array))

    def _behind(self, reader: Watched, expected: Array) -> dict[str, str]:
        """An activation between a right layer and the first wrong one that reads it.

        Returns: the `layer`, its `reader` and the `function`; empty where there is none.
        """
        nodes = {node.path: node for node in self.exchange.nodes}
        given = self.exchange.given(self.pass_, reader)
        for path, (layout, value) in zip(reader.reads, given, strict=False):
            node, ours = nodes.get(path), channels_second(layout, value)
            made = channels_second(reader.layout, expected)
            if node is None or reader.op in FUNCTIONS or reader.op == "activation":
                continue  # it may be a step of its own
            if reader.module in self.run.idle or applied(ours, made):
                continue
            for array in self.run.others(self.there(node, value)):
                function = applied(ours, self._turned(node)(array))
                if function:
                    own = self._maker(path, nodes)
                    return {"layer": own, "reader": reader.path, "function": function}
        return {}

    def _maker(self, path: str, nodes: dict[str, Watched]) -> str:
        """The layer that made a value which others may have passed on."""
        values = {n.path: a for n, a in self.exchange.expected(self.pass_)}
        while (read := nodes[path].reads[:1]) and read[0] in values:
            if not np.array_equal(values[read[0]], values[path]):
                break
            path = read[0]
        return path


MISSING = " is missing behind it"


def _row(match: Match) -> Row:
    found = match._asdict()
    del found["array"]
    return found
