"""A source of data enters; the spec of a tiny network on it, and its data.py as a module, leave."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from tests.programs import Job, run

NO_PICTURE = (
    "from matplotlib.figure import Figure; "
    "Figure.savefig = lambda figure, path, **k: path.touch()"
)
KERAS_HOME = "import os; os.environ['KERAS_HOME'] = 'keras'\n"


def spec(source: str, channels: int, height: int, units: int, more: str = "") -> str:
    return (
        f"cnnspec: 1\nname: tiny\ninput: {{channels: {channels}, height: {height}, "
        f"width: {height}}}\nlayers:\n"
        "  - conv: {filters: 4, kernel: 3, stride: 2, activation: relu}\n  - flatten\n"
        f"  - dense: {{units: {units}}}\ndata: {{source: {source}, batch_size: 8{more}}}\n"
        "train: {epochs: 1}\n"
    )


def module(program: Path) -> ModuleType:
    """A program's data.py, which imports no framework."""
    made = importlib.util.spec_from_file_location("data", program / "data.py")
    assert made is not None and made.loader is not None
    found = importlib.util.module_from_spec(made)
    made.loader.exec_module(found)
    return found


def refuses(program: Path, expected: dict[str, str], cwd: Path) -> None:
    """Holds that each folder or file is refused by a line that matches, no traceback."""
    jobs = [Job(program, "data.py", ("--data", name), KERAS_HOME) for name in expected]
    for name, outcome in zip(expected, run(jobs, cwd), strict=True):
        assert re.match(f"error: {expected[name]}", str(outcome.status)), outcome
