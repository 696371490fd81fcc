"""A spec and arguments enter the command line; the document that `check` prints leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from cnnspec.cli import cli


def check_json(path: Path, *arguments: str) -> dict[str, Any]:
    """The spec's part of `cnnspec check --format json`, and that its exit status goes with it."""
    done = CliRunner().invoke(cli, ["check", str(path), "--format", "json", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    document = json.loads(done.stdout)
    assert document["version"] == 1
    (spec,) = document["specs"]
    assert done.exit_code == (0 if spec["ok"] else 1)
    result: dict[str, Any] = spec
    return result
