"""Specs enter; programs in folders of their own, and what they print when they run, leave.

A process runs many programs, one after the other, because starting a framework takes
seconds; cnnspec can't be imported in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from cnnspec.cli import cli
from cnnspec.compile import check_source
from cnnspec.emit.program import program_files
from cnnspec.source import SourceFile

ROOT = Path(__file__).parents[1]
TARGETS = ("pytorch", "keras")
RUNNER = """
import contextlib, io, json, os, runpy, sys, traceback

sys.modules["cnnspec"] = None  # importing it fails
for job in json.load(sys.stdin):
    for name in ("data", "model", "train"):
        sys.modules.pop(name, None)
    sys.path[0] = job["folder"]
    sys.argv = [job["script"], *job["args"]]
    printed, status = io.StringIO(), 0
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            if job["before"]:
                exec(job["before"], {})
            path = os.path.join(job["folder"], job["script"])
            runpy.run_path(path, run_name="__main__")
        except SystemExit as error:
            status = error.code
        except BaseException:
            status = traceback.format_exc()
    print(json.dumps({"status": status, "printed": printed.getvalue()}), flush=True)
"""


class Job(NamedTuple):
    """A script of a program, its arguments, and code that runs before it."""

    folder: Path
    script: str
    args: tuple[str, ...] = ()
    before: str = ""


class Outcome(NamedTuple):
    """How a script ended: 0, or what it said to `sys.exit`; and what it printed."""

    status: Any
    printed: str


def spec_file(name: str) -> Path:
    return ROOT / "specs" / f"{name}.yaml"


def command(*args: str | Path, input: str | None = None) -> tuple[int, str]:
    """Exit status and output of a cnnspec command."""
    result = CliRunner().invoke(cli, [str(arg) for arg in args], input=input)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def build(text: str, target: str, folder: Path, *args: str) -> Path:
    """Builds a spec's text into a folder."""
    status, output = command(
        "build", "-", "--target", target, "-o", folder, *args, input=text
    )
    assert status == 0, output
    return folder


def files_of(text: str, target: str, **overrides: Any) -> dict[str, str]:
    """A program's files, not written."""
    checked = check_source(SourceFile("spec.yaml", text), overrides)
    assert not checked.has_errors, checked.diagnostics
    return program_files(checked, target, overrides)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(jobs: list[Job], cwd: Path) -> list[Outcome]:
    """Runs the jobs in one process and one folder."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    orders = [job._asdict() | {"folder": str(job.folder)} for job in jobs]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(orders),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [Outcome(**json.loads(line)) for line in done.stdout.splitlines()]
    assert len(found) == len(jobs), done.stderr[-3000:]
    return found


def finish(jobs: list[Job], cwd: Path) -> list[str]:
    """What the jobs print; all of them must end well."""
    outcomes = run(jobs, cwd)
    for job, outcome in zip(jobs, outcomes, strict=True):
        assert outcome.status == 0, (job, str(outcome)[-2000:])
    return [outcome.printed for outcome in outcomes]


def metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv, without the time they took."""
    import csv

    with open(folder / "metrics.csv", newline="") as file:
        rows = [
            {key: float(value) for key, value in row.items()}
            for row in csv.DictReader(file)
        ]
    for row in rows:
        row.pop("seconds")
    return rows
