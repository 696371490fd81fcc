"""Faults enter; what `cnnspec verify` says of each leaves.

Both sides' processes are kept from one fault to the next: starting them costs seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import NamedTuple

import numpy as np

from cnnspec.emit.build import TARGETS
from cnnspec.verify.certificate import Certificate, certify
from cnnspec.verify.exchange import Exchange
from cnnspec.verify.plan import Settings, prepare
from cnnspec.verify.running import Failed, run_sides
from tests.planted.networks import PLANTED, Network

ROOT = Path(__file__).parents[2]
# A model whose numbers differ less than this in float32 does what the other one does.
SAME = 1e-6


class Verdict(NamedTuple):
    """What came of a fault.

    Args:
        outcome: `named`, `misnamed`, `missed`, `equivalent`, `does nothing`, where
            the layer has no value of its own, or `no program`, which can't be made at all.
        said: the certificate's words.
    """

    outcome: str
    layer: str
    stage: str
    said: str
    cause: str


class Bench:
    """Both processes, and a folder."""

    def __init__(self, steps: int = 2) -> None:
        self.steps = steps
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Bench:
        self.folder = TemporaryDirectory(prefix="cnnspec-planted-")
        self.log = open(Path(self.folder.name) / "log", "w")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for side in list(self.processes):
            self._end(side)
        self.log.close()
        self.folder.cleanup()

    def _process(self, side: str) -> subprocess.Popen[str]:
        if side not in self.processes:
            environment = {
                **os.environ,
                "CUDA_VISIBLE_DEVICES": "",
                "KERAS_BACKEND": "tensorflow",
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "TF_ENABLE_ONEDNN_OPTS": "0",
                "PYTHONPATH": str(ROOT),
            }
            self.processes[side] = subprocess.Popen(
                [sys.executable, "-m", "tests.planted.side", side],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                text=True,
                env=environment,
            )
        return self.processes[side]

    def _end(self, side: str) -> None:
        process = self.processes.pop(side, None)
        if process is not None:
            process.kill()
            process.communicate()

    @contextmanager
    def _start(self, side: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
        """The process, told of a folder; one that is amid something is ended."""
        process = self._process(side)
        (folder / f"{side}.log").touch()
        self._tell(process, f"run {folder}")
        try:
            yield process
        except BaseException:
            self._end(side)
            raise
        if self._hear(process) != "done":
            self._end(side)

    @staticmethod
    def _tell(process: subprocess.Popen[str], line: str) -> None:
        assert process.stdin is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()

    @staticmethod
    def _hear(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def verify(
        self, network: Network, target: str, files: dict[str, str], folder: Path
    ) -> Certificate:
        """With these files in place of a target's; raises Failed."""
        edited = folder / "edited"
        edited.mkdir(parents=True)
        for name, text in {**network.files[target], **files}.items():
            (edited / name).write_text(text, encoding="utf-8")
        settings = Settings(4, self.steps, 0, 1, {}, {target: edited})
        assert network.checked.graph is not None
        place = folder / "exchange"
        place.mkdir()
        facts = prepare(network.checked, place, settings)
        run_sides(place, network.checked.graph, self._start)
        return certify(place, network.checked.graph, facts)

    def try_fault(self, network: Network, target: str, text: str) -> Verdict:
        """A model.py instead of the target's."""
        with TemporaryDirectory(dir=self.folder.name) as name:
            folder = Path(name)
            try:
                found = self.verify(network, target, {"model.py": text}, folder)
            except Failed as error:
                return Verdict("no program", "", "", str(error), "")
            if found.differences:
                first = found.differences[0]
                own = first.layer.split(".")[0] == PLANTED
                outcome = "named" if own else "misnamed"
                if not own and does_nothing(folder / "exchange"):
                    outcome = "does nothing"
                words = first.layer, first.stage, first.message, first.cause
                return Verdict(outcome, *words)
            gap = self._difference(network, target, folder / "exchange")
            same = isinstance(gap, float) and gap <= SAME
            return Verdict("equivalent" if same else "missed", "", "", str(gap), "")

    def _difference(self, network: Network, target: str, folder: Path) -> float | str:
        pristine = folder / "pristine"
        pristine.mkdir()
        text = network.files[target]["model.py"]
        (pristine / "model.py").write_text(text, encoding="utf-8")
        process = self._process(target)
        self._tell(process, f"differs {folder}")
        line = self._hear(process)
        if not line:
            self._end(target)
            return "its behaviour can't be compared"
        found: float | str = json.loads(line)
        return found


def does_nothing(folder: Path) -> bool:
    """Whether the layer gives on what it is given, as `flatten` of a vector: it has no value of its own."""
    exchange = Exchange(folder, json.loads((folder / "facts.json").read_text()))
    for node, value in exchange.expected("serving"):
        if node.path.split(".")[0] == PLANTED:
            given = exchange.given("serving", node)
            return any(np.array_equal(value, array) for _, array in given)
    return False


__all__ = ["TARGETS", "Bench", "Verdict"]
