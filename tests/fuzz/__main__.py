"""`python -m tests.fuzz N`: draws and compares the first N specs of a seed, from where it stood."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.fuzz.campaign import Campaign
from tests.fuzz.state import State


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("count", type=int, help="specs in all; 0 reports alone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--outputs", type=float, default=0.1, help="share of them run")
    parser.add_argument("--state", type=Path, default=Path("runs/fuzz/state.json"))
    arguments = parser.parse_args()
    state = State(arguments.state, arguments.seed, arguments.outputs)
    if state.done < arguments.count:
        Campaign(state).run(arguments.count)
    print(state.report())


if __name__ == "__main__":
    main()
