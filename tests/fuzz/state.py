"""What a long run has done: kept in a file that is written whole, or not at all."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzz.specs import AIMS


class State:
    """Counts of a run so far, and what it found.

    Attributes:
        done: specs; the next one's number.
        outputs: specs whose outputs were compared, too.
        cancelled: of them, those whose float32 was too coarse, and whose float64 agreed.
        uses: of each operation and each field off its default, in all specs.
        compared: the same, in those whose outputs were compared.
        draws: accepted ones, and refused ones by the reason.
    """

    def __init__(self, path: Path, seed: int, share: float) -> None:
        self.path, self.seed, self.share = path, seed, share
        self.done = self.outputs = self.broken = self.cancelled = 0
        self.seconds = 0.0
        self.uses: Counter[str] = Counter()
        self.compared: Counter[str] = Counter()
        self.draws: Counter[str] = Counter()
        self.findings: list[dict[str, Any]] = []
        if path.exists():
            self._load(json.loads(path.read_text()))

    def _load(self, found: dict[str, Any]) -> None:
        if (found["seed"], found["share"]) != (self.seed, self.share):
            raise SystemExit(
                f"{self.path} is of seed {found['seed']} and a share of outputs of "
                f"{found['share']}: give these, or another STATE"
            )
        for name, value in found.items():
            held = getattr(self, name)
            setattr(self, name, Counter(value) if isinstance(held, Counter) else value)

    def save(self) -> None:
        held = {n: v for n, v in vars(self).items() if n != "path"}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(held, indent=1))
        os.replace(fresh, self.path)

    def report(self) -> str:
        """The figures, the least used first."""
        names = {op if f is None else f"{op}.{f}" for op, f in AIMS}
        lines = [
            f"seed {self.seed}: {self.done} specs held equal in shapes and counts, "
            f"{self.outputs} of them in outputs ({self.cancelled} in float64 alone); "
            f"{self.broken} broken ones checked",
            f"draws: {dict(self.draws.most_common())}",
            f"{self.done / max(self.seconds, 1):.1f} specs a second",
        ]
        for title, counts in (("uses", self.uses), ("with outputs", self.compared)):
            rare = sorted(names, key=lambda n: (counts[n], n))[:12]
            shown = ", ".join(f"{name} {counts[name]}" for name in rare)
            lines.append(f"least {title}: {shown}")
        lines.append(f"findings: {len(self.findings)}")
        lines += [
            f"  {f['number']}: {f['what'].splitlines()[-1][:160]}"
            for f in self.findings
        ]
        return "\n".join(lines)
