"""Commands enter; the wall times of their processes leave."""

from __future__ import annotations

import os
import subprocess
import time
from statistics import median

Command = tuple[str, ...]


def time_interleaved(commands: dict[str, Command], rounds: int) -> dict[str, float]:
    """Runs every command once per round, in turn, so that a slow minute slows them all.

    One round before the counted ones writes bytecode and fills the disk's cache.

    Returns: the median of each command's wall times, in seconds.
    Raises: CalledProcessError where a command fails.
    """
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            seconds = _time(command)
            if number:
                times[name].append(seconds)
        print(f"\rround {number} of {rounds}", end="", flush=True)
    print()
    return {name: median(seconds) for name, seconds in times.items()}


def _time(command: Command) -> float:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users have bytecode
    begin = time.perf_counter()
    subprocess.run(
        command,
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - begin
