"""A state and a number of specs enter; the state of having compared as many leaves."""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from cnnspec.compile import Checked, check_source
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.source import SourceFile
from tests.fuzz.agreement import disagreement, failure
from tests.fuzz.breaking import broken
from tests.fuzz.shrinking import shrink, shrink_text
from tests.fuzz.sides import Batch, Sides
from tests.fuzz.specs import Drawn, draw_spec, uses_of
from tests.fuzz.state import State
from tests.parity.harness import loss_of

FOUND = Path(__file__).parent / "found"
BATCH = 100
BUILT = 0.1  # share of specs of which the whole program is built, twice
SAME = 2  # findings alike that are minimised; of the others the number is kept


class Drafted:
    """The specs of a batch, drawn, with what needed no framework."""

    def __init__(self, first: int, last: int, state: State, room: Path) -> None:
        self.first, self.last = first, last
        self.draws: Counter[str] = Counter()
        self.found: dict[int, tuple[str, str]] = {}  # the text that fails, and how
        self.drawn: dict[int, Drawn] = {}
        self.broken = 0
        for number in range(first, last):
            self._draw(number, state.seed)
        self.with_outputs = {
            n
            for n in self.drawn
            if random.Random(f"{state.seed}:{n}:outputs").random() < state.share
        }
        specs = {n: (d.checked, d.models) for n, d in self.drawn.items()}
        self.batch = Batch(specs, self.with_outputs, room)

    def _draw(self, number: int, seed: int) -> None:
        try:
            drawn = draw_spec(seed, number, self.draws)
        except Exception as fault:  # an emission raises, or nothing is accepted
            self.found[number] = ("", f"draw: {type(fault).__name__}: {fault}")
            return
        self.drawn[number] = drawn
        source = random.Random(f"{seed}:{number}:build")
        if what := disagreement(drawn, source, BUILT):
            self.found[number] = (drawn.text, what)
        wrong = broken(drawn.text, random.Random(f"{seed}:{number}:broken"))
        self.broken += 1
        if what := failure(wrong):
            self.found[number] = (wrong, f"broken: {what}")


class Campaign:
    """A run that may be ended and begun again at any moment."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.alone: Sides | None = None  # for one spec, in the middle of batches

    def run(self, count: int) -> None:
        """Draws a batch while PyTorch has the last one and Keras the one before."""
        began, first = time.monotonic(), self.state.done
        at_pytorch: Drafted | None = None
        at_keras: Drafted | None = None
        with Sides() as sides:
            while first < count or at_pytorch or at_keras:
                drafted = None
                if first < count:
                    last = min(first + BATCH, count)
                    drafted, first = Drafted(first, last, self.state, sides.room), last
                if at_pytorch:
                    sides.pytorch.wait(at_pytorch.batch)
                    at_pytorch.batch.hand_over()
                    sides.keras.send(at_pytorch.batch)
                if drafted:
                    sides.pytorch.send(drafted.batch)
                if at_keras:
                    sides.keras.wait(at_keras.batch)
                    self._count(at_keras)
                    now = time.monotonic()
                    self.state.seconds, began = self.state.seconds + now - began, now
                    self.state.save()
                at_keras, at_pytorch = at_pytorch, drafted
        if self.alone:
            self.alone.close()

    def _count(self, drafted: Drafted) -> None:
        """Adds a batch to the state; all of it or, where the process ends, nothing."""
        state, found = self.state, dict(drafted.found)
        for number, what in drafted.batch.findings().items():
            drawn = drafted.drawn[number]
            if what.startswith("outputs"):
                self.alone = self.alone or Sides()
                again = confirmed(self.alone, number, drawn.checked, drawn.models)
                state.cancelled += again is None
                what = again or ""
            if what:
                found.setdefault(number, (drawn.text, what))
        for number, (text, what) in sorted(found.items()):
            state.findings.append(self._finding(number, text, what))
        for number, drawn in drafted.drawn.items():
            uses = uses_of(drawn.checked)
            state.uses.update(uses)
            if number in drafted.with_outputs:
                state.compared.update(uses)
        state.done = drafted.last
        state.broken += drafted.broken
        state.outputs += len(drafted.with_outputs)
        state.draws.update(drafted.draws)
        if drafted.last % 1000 == 0:
            print(state.report().splitlines()[0], flush=True)

    def _finding(self, number: int, text: str, what: str) -> dict[str, Any]:
        """A finding, minimised and written to a file where it is one of few alike."""
        like = likeness(what)
        finding = {
            "number": number,
            "what": what,
            "like": like,
            "file": None,
            "text": text,
        }
        same = [f for f in self.state.findings if f["like"] == like]
        if len(same) < SAME and text:
            path = FOUND / f"{like.partition(':')[0]}_{self.state.seed}_{number}.yaml"
            smaller = self._minimised(number, text, what, like)
            path.write_text(
                written(smaller, finding, self.state.seed), encoding="utf-8"
            )
            finding["file"] = path.name
        print(f"{number}: {what.strip().splitlines()[-1][:200]}", flush=True)
        return finding

    def _minimised(self, number: int, text: str, what: str, like: str) -> str:
        if what.startswith("broken"):
            return shrink_text(text, lambda t: alike(failure(t), like, "broken: "))
        sides = self.alone = self.alone or Sides()
        return shrink(text, lambda t: alike(compare_text(t, sides, number), like))


def compare_text(text: str, sides: Sides, number: int) -> str | None:
    """All that is held of a valid spec, of one; None also where it is not valid.

    Args:
        number: what weights and inputs are drawn from.
    """
    checked = check_source(SourceFile("spec.yaml", text), {})
    if checked.has_errors:
        return None
    try:
        models = {t: model_text(checked, t, loss_of(checked)) for t in TARGETS}
    except Exception as fault:
        return f"draw: {type(fault).__name__}: {fault}"
    drawn = Drawn(text, checked, models)
    if what := disagreement(drawn, random.Random(text), 1):
        return what
    return confirmed(sides, number, checked, models)


def confirmed(
    sides: Sides, number: int, checked: Checked, models: dict[str, str]
) -> str | None:
    """What differs, in float64 too: in float32 numbers may only have cancelled."""
    specs = {number: (checked, models)}
    found = sides.run(specs, {number}).get(number)
    if found is None or not found.startswith("outputs"):
        return found
    return sides.run(specs, {number}, double=True).get(number)


ERROR = re.compile(r"^(\w+\.)*\w*(Error|Exception|Failure)\b.*", re.M)
VARYING = re.compile(r"[\d_.]+|[`'\"(\[{<].*")


def likeness(what: str) -> str:
    """What findings of one cause have in common: how they begin, numbers and names left out."""
    kind, _, rest = what.partition(": ")
    found = ERROR.search(rest)
    line = found[0] if found else (rest.strip().splitlines() or [""])[0]
    return f"{kind}: {VARYING.sub('#', line)[:60]}"


def alike(what: str | None, like: str, lead: str = "") -> bool:
    return what is not None and likeness(lead + what) == like


def written(text: str, finding: dict[str, Any], seed: int) -> str:
    """The regression file: a comment, and the spec as YAML, or the broken text as it is."""
    what = [line for line in finding["what"].splitlines() if line.strip()]
    head = f"# Found by seed {seed}, number {finding['number']}: {finding['like']}\n"
    told = [line for line in what[-3:] if not line.lstrip().startswith("File ")]
    head += "".join(f"# {line[:110]}\n" for line in told)  # no path of a machine
    if finding["what"].startswith("broken"):
        return head + text
    document = json.loads(text)
    return head + yaml.dump(
        document, default_flow_style=None, sort_keys=False, width=88
    )
