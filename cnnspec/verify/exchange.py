"""The folder that `cnnspec verify` and its two processes share, as the processes see it."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from traceback import extract_tb
from typing import Any, NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

from cnnspec.verify.loading import PROGRAM, rounded
from cnnspec.verify.matching import Array
from cnnspec.verify.nodes import Watched

STEPS, ONE_STEP, STOP = (
    "steps",
    "one step",
    "stop",
)  # what is asked for after the layers
# Of a layer's largest value: forward in float32, and in float64 with rounded constants.
LIMITS = {"serving": 1e-5, "training": 1e-6}


class Exchange(NamedTuple):
    """What both sides are given.

    Args:
        facts: seed, names and shapes; see `cnnspec.verify.plan`.
    """

    folder: Path
    facts: dict[str, Any]

    @property
    def nodes(self) -> list[Watched]:
        return [Watched(*row) for row in self.facts["nodes"]]

    def inputs(self, pass_: str) -> dict[str, Array]:
        """The network's inputs by name, (N, C, H, W) float32 or ids; of training, the batch's.

        So that a loss that differs is not that of samples which no layer was compared on.
        """
        if pass_ == "training" and self.facts["trained"]:
            (name,) = self.facts["inputs"]
            return {name: load_file(self.folder / "batch.safetensors")["x"]}
        found = load_file(self.folder / "inputs.safetensors")
        return {name: found[name] for name in self.facts["inputs"]}

    def steps(self, float64: bool = True) -> Iterator[tuple[Array, Any]]:
        """Samples (N, C, H, W) and what outputs are compared with, for each step.

        The latter are an array, or arrays by output, or None. In float32 it is one step.
        """
        found = load_file(self.folder / "batch.safetensors")
        if not float64:
            found = {
                name: values.astype(np.float32)
                if values.dtype == np.float64
                else values
                for name, values in found.items()
            }
        targets = {name: found[f"target.{name}"] for name in self.facts["targets"]}
        y: Any = targets if self.facts["own_targets"] else targets.get("")
        for _ in range(self.facts["steps"] if float64 else 1):
            yield found["x"], y

    def projections(self) -> dict[str, Array]:
        """What outputs are multiplied with where there is no loss, (N, ...)."""
        return load_file(self.folder / "projections.safetensors")

    def expected(self, pass_: str) -> Iterator[tuple[Watched, Array]]:
        """What each layer of the reference makes, (N, C, H, W), in the order of the graph."""
        file = self.folder / f"reference-{pass_}.safetensors"
        with safe_open(file, framework="numpy") as values:
            told = set(values.keys())
            for index, node in enumerate(self.nodes):
                if str(index) in told:
                    yield node, values.get_tensor(str(index))

    def given(self, pass_: str, node: Watched) -> list[tuple[str, Array]]:
        """Layout and value of what the reference gives a layer; none where not all is told."""
        places = {other.path: index for index, other in enumerate(self.nodes)}
        inputs, found = self.inputs(pass_), []
        file = self.folder / f"reference-{pass_}.safetensors"
        with safe_open(file, framework="numpy") as values:
            told = set(values.keys())
            for name in node.reads:
                if name in inputs:
                    layout = "maps" if self.facts["maps"][name] else "sequence"
                    array = inputs[name]
                    found.append((layout if array.ndim > 2 else "vector", array))
                elif str(places[name]) in told:
                    layout = self.nodes[places[name]].layout
                    found.append((layout, values.get_tensor(str(places[name]))))
                else:
                    return []
        return found

    def save(self, name: str, found: Any) -> None:
        text = json.dumps(found, allow_nan=True)
        (self.folder / f"{name}.json").write_text(text, encoding="utf-8")


def rates_of(program: Any, steps: int) -> list[list[float]]:
    """The learning rate of each step as a further argument; none where it stays.

    A program's schedule is gone through once, in so many steps.
    """
    if not hasattr(program, "learning_rate_at"):
        return []
    given = signature(program.learning_rate_at).parameters
    epochs = program.EPOCHS
    rates = []
    for step in range(steps):
        values = {"epoch": step * epochs / steps, "epochs": epochs}
        rate = program.learning_rate_at(**{name: values[name] for name in given})
        rates.append(rounded(rate))
    return [rates]


def unlike(
    own: dict[str, tuple[int, ...]], given: dict[str, tuple[int, ...]]
) -> dict[str, list[list[int] | None]]:
    """Weights by name that a program lacks, has beside the spec's, or in another shape.

    Returns: the shape of the program's and of the spec's; None where there is none.
    """
    return {
        name: [list(found[name]) if name in found else None for found in (own, given)]
        for name in sorted(own.keys() | given.keys())
        if own.get(name) != given.get(name)
    }


def first_line(error: Exception) -> str:
    """What an exception says, on one line, with the program's line that it came from."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    programs = {file for module in PROGRAM if (file := _file_of(module))}
    frames = [f for f in extract_tb(error.__traceback__) if f.filename in programs]
    if not frames:
        return said
    return f"{said} ({Path(frames[-1].filename).name}:{frames[-1].lineno}: {frames[-1].line})"


def _file_of(module: str) -> str | None:
    return getattr(sys.modules.get(module), "__file__", None)


def main(side: str, run: Callable[[Exchange], None]) -> None:
    """Runs a side in the folder that the command line names; a fault is written down."""
    folder = Path(sys.argv[1])
    sys.path.insert(0, str(folder))
    try:
        run(Exchange(folder, json.loads((folder / "facts.json").read_text())))
    except Exception as error:
        traceback.print_exc()
        (folder / f"{side}-fault.json").write_text(json.dumps(first_line(error)))
        sys.exit(1)
