"""Python source enters ruff; what ruff makes of it leaves."""

from __future__ import annotations

import subprocess
import sys


def ruff(command: str, source: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", command, "--isolated", "--line-length=88", "-"],
        input=source.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def program(bodies: list[list[str]]) -> str:
    """Functions around the bodies, which are indented by 4 or 8 columns."""
    parts = []
    for number, body in enumerate(bodies):
        deep = ["    if flag:"] if body[0].startswith(" " * 8) else []
        parts.append("\n".join([f"def f{number}():", *deep, *body]))
    return "\n\n\n".join(parts) + "\n"
