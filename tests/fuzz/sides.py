"""Specs enter; where both generated models are not the checked network leaves.

The two frameworks run in processes that live on from batch to batch, for starting one costs
seconds; one that dies or hangs is started again, and the spec that it stood at is the finding.
"""

from __future__ import annotations

import json
import select
import shutil
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO

from cnnspec.compile import Checked
from tests.parity.harness import (
    assert_same_outputs,
    assert_same_sizes,
    hand_over,
    prepare,
    read,
    start,
)

SAMPLES = (
    19  # in a batch: the extent of few maps, which Keras' `ops.add` would take for it
)
PATIENCE = 900  # seconds for a batch, on a busy machine too


class Batch:
    """Specs by their number, and the folder in which the sides find them.

    Args:
        with_outputs: the numbers of those that are run, not only built.
    """

    def __init__(
        self,
        specs: dict[int, tuple[Checked, dict[str, str]]],
        with_outputs: set[int],
        room: Path,
    ) -> None:
        self.specs, self.with_outputs = specs, with_outputs
        self.faults: dict[int, str] = {}
        self.folder = Path(tempfile.mkdtemp(dir=room))
        for number, (checked, models) in specs.items():
            place, sized = self.folder / str(number), number not in with_outputs
            prepare(str(number), checked, place, sized, SAMPLES, models)

    def hand_over(self) -> None:
        """Between the two sides: PyTorch's weights as Keras takes them."""
        for number in self.with_outputs:
            try:
                hand_over(self.specs[number][0], self.folder / str(number))
            except Exception:
                self.faults[number] = f"weights: {traceback.format_exc(limit=-3)}"

    def findings(self) -> dict[int, str]:
        """What differs, by number."""
        found = dict(self.faults)
        for number, (checked, _) in self.specs.items():
            outcome = read(checked, self.folder / str(number))
            for side, answer in (
                ("pytorch", outcome.pytorch),
                ("keras", outcome.keras),
            ):
                if "error" in answer:
                    found.setdefault(number, f"{side}: {answer['error']}")
            if number in found:
                continue
            try:
                assert_same_sizes(outcome)
            except AssertionError as fault:
                found[number] = f"sizes: {fault}"
                continue
            try:
                if number in self.with_outputs:
                    assert_same_outputs(outcome)
            except AssertionError as fault:
                found[number] = f"outputs: {fault}"
        shutil.rmtree(self.folder)
        return found


class Side:
    """One framework's process."""

    def __init__(self, name: str, errors: IO[str]) -> None:
        self.name, self.errors = name, errors
        self.process = start(name, errors)

    def send(self, batch: Batch) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # `wait` starts it again
            print(batch.folder, file=self.process.stdin, flush=True)

    def wait(self, batch: Batch) -> None:
        """Until the batch is done; what a process died at has its error written."""
        while not self._answers():
            places = sorted(batch.folder.iterdir())
            missing = [p for p in places if not (p / f"{self.name}.json").exists()]
            # It stands at the first without an answer, or at the outputs of the one before.
            at = places.index(missing[0]) if missing else len(places)
            for place in places[max(at - 1, 0) : at + 1]:
                error = {"error": "the process dies or hangs at this model"}
                (place / f"{self.name}.json").write_text(json.dumps(error))
            self.close()
            self.process = start(self.name, self.errors)
            self.send(batch)

    def _answers(self) -> bool:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        return bool(ready) and self.process.stdout.readline() == "done\n"

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Sides:
    """Both processes, and a room for the batches."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self.room = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.errors = open(self.room / "errors.txt", "w")  # noqa: SIM115  # theirs
        self.pytorch = Side("pytorch", self.errors)
        self.keras = Side("keras", self.errors)

    def __enter__(self) -> Sides:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        for side in (self.pytorch, self.keras):
            side.close()
        self.errors.close()
        shutil.rmtree(self.room)

    def run(
        self,
        specs: dict[int, tuple[Checked, dict[str, str]]],
        with_outputs: set[int],
    ) -> dict[int, str]:
        """What differs, by number, of one batch while nothing else runs."""
        batch = Batch(specs, with_outputs, self.room)
        self.pytorch.send(batch)
        self.pytorch.wait(batch)
        batch.hand_over()
        self.keras.send(batch)
        self.keras.wait(batch)
        return batch.findings()
