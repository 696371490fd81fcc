"""Plants faults over the registry: `python -m tests.planted --seed 0 --each 2`."""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter

from cnnspec.emit.build import watched_model_text
from tests.planted.faults import draw_faults, faults_of
from tests.planted.networks import OPS, draw_network
from tests.planted.trial import TARGETS, Bench


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", default="0")
    parser.add_argument("--each", type=int, default=1)
    parser.add_argument("--ops", nargs="*", default=OPS)
    parser.add_argument("--target", choices=TARGETS, nargs="*", default=TARGETS)
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    with Bench() as bench:
        for op in args.ops:
            source = random.Random(f"{args.seed} {op}")
            network = draw_network(op, source)
            watched = watched_model_text(network.checked, "cross_entropy")
            for target in args.target:
                pristine = network.files[target]["model.py"]
                faults = faults_of(target, pristine, watched)
                for fault in draw_faults(faults, source, args.each):
                    start = time.perf_counter()
                    found = bench.try_fault(network, target, fault.text)
                    counts[found.outcome] += 1
                    took = time.perf_counter() - start
                    print(
                        f"{found.outcome} [{op}, {target}, {fault.kind}, {took:.1f} s]"
                    )
                    print(f"    - {fault.was}\n    + {fault.now}")
                    print(f"    {found.layer} {found.stage}: {found.said}")
                    print(f"    CAUSE {found.cause}", flush=True)
                    if found.outcome in ("misnamed", "missed"):
                        print(f"    SPEC {network.text}", flush=True)
    print(counts)


main()
