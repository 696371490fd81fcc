"""What a message tells a user to write is right: the commands exist, what is offered is taken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cnnspec.cli import COMMANDS

ROOT = Path(__file__).parents[1]
TEXTS = [
    *sorted((ROOT / "cnnspec").rglob("*.py")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "cnnspec" / "codes.yaml",
    ROOT / "README.md",
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_that_is_named_exists(path: Path) -> None:
    named = re.findall(r"`cnnspec\s+([a-z]+)", path.read_text(encoding="utf-8"))
    assert set(named) <= set(COMMANDS)
