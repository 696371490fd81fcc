"""`cnnspec train`: a spec enters; its program is written and trains in its own process."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

import click

from cnnspec.commands.build import (
    fail,
    force_option,
    kept,
    make_program,
    report,
    target_option,
    write,
)
from cnnspec.commands.options import plugin_option, set_option
from cnnspec.compile import Checked, check_file

# Packages whose module has another name.
MODULES = {"pillow": "PIL", "scikit-learn": "sklearn"}


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
@force_option
@set_option
@plugin_option
def train(
    file: str,
    args: tuple[str, ...],
    target: str,
    output: Path | None,
    force: bool,
    overrides: dict[str, Any],
) -> None:
    """Build the program of a spec, then run its training.

    Files of the program that you edited are kept, as by `build`.
    ARGS, after `--`, go to the program: `-- --epochs 3 --seed 1`. The exit status is the
    program's.
    """
    checked = check_file(file, overrides)
    files = make_program(checked, target, overrides)
    _refuse_untrainable(checked)
    assert checked.spec is not None
    folder = output or Path("runs") / f"{checked.spec.name}-{target}"
    state = write(folder, files, force)
    click.echo(f"program: {folder}{kept(state)}")
    sys.stdout.flush()
    _refuse_missing_packages(folder, files["requirements.txt"])
    sys.exit(run([sys.executable, str(folder / "train.py"), *args]))


def _refuse_untrainable(checked: Checked) -> None:
    from cnnspec.diagnostics import ERROR, Bag, Diagnostic
    from cnnspec.source import START
    from cnnspec.training import read_training, why_not_trained

    assert checked.graph is not None and checked.spec is not None
    train = read_training(checked.spec, checked.graph, Bag()).train
    reason = why_not_trained(checked.spec, checked.graph, train)
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


def _refuse_missing_packages(folder: Path, requirements: str) -> None:
    names = [line.partition(">=")[0] for line in requirements.splitlines()]
    missing = [name for name in names if find_spec(MODULES.get(name, name)) is None]
    if missing:
        file = shlex.quote(str(folder / "requirements.txt"))
        verb = "is" if len(missing) == 1 else "are"
        fail(
            f"{', '.join(missing)} {verb} not installed here: "
            f"python -m pip install -r {file}",
            2,
        )


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
