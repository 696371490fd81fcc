"""`cnnspec train`: a spec enters; its program is written and trains in its own process."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

import click

from cnnspec.commands.build import fail, make_program, report, target_option, write
from cnnspec.commands.options import set_option
from cnnspec.compile import Checked, check_file

MODULES = {"pytorch": "torch", "keras": "tensorflow"}


@click.command()
@click.argument("file", metavar="FILE")
@click.argument("args", nargs=-1, metavar="[-- ARGS…]")
@target_option
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder of the program.  [default: runs/NAME-TARGET]",
)
@set_option
def train(
    file: str,
    args: tuple[str, ...],
    target: str,
    output: Path | None,
    overrides: dict[str, Any],
) -> None:
    """Build the program of a spec, then run its training.

    ARGS, after `--`, go to the program: `-- --epochs 3 --seed 1`. The exit status is the
    program's.
    """
    checked = check_file(file, overrides)
    files = make_program(checked, target, overrides)
    _refuse_untrainable(checked)
    if find_spec(MODULES[target]) is None:
        fail(
            f"{MODULES[target]} is not installed here: "
            f"python -m pip install 'cnnspec[{target}]'",
            2,
        )
    assert checked.spec is not None
    folder = output or Path("runs") / f"{checked.spec.name}-{target}"
    write(folder, files, force=False)
    click.echo(f"program: {folder}")
    sys.stdout.flush()
    sys.exit(run([sys.executable, str(folder / "train.py"), *args]))


def _refuse_untrainable(checked: Checked) -> None:
    from cnnspec.diagnostics import ERROR, Diagnostic
    from cnnspec.source import START
    from cnnspec.training import untrainable

    assert checked.graph is not None and checked.spec is not None
    reason = untrainable(checked.graph)
    if reason is None:
        return
    key = checked.spec.root.key("train") or checked.spec.root.key("name")
    checked.diagnostics = [
        Diagnostic(
            "CS520",
            ERROR,
            f"this network can't be trained yet: {reason}",
            key.span if key else START,
            help="`cnnspec build` writes its model",
        )
    ]
    report(checked)
    sys.exit(1)


def run(command: list[str]) -> int:
    """Runs a program to its end and gives its exit status.

    An interrupt reaches the program by the terminal, and it is the program that ends; a
    request to terminate is handed on.
    """
    process = subprocess.Popen(command)

    def hand_on(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGTERM, hand_on)
    status = process.wait()
    return 128 - status if status < 0 else status  # as a shell says it
