"""`cnnspec verify`: a spec enters; whether both its programs are one network leaves."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnspec.commands.build import fail, refuse, report
from cnnspec.commands.options import plugin_option, set_option
from cnnspec.compile import Checked, check_file

if TYPE_CHECKING:
    from cnnspec.verify.certificate import Certificate
    from cnnspec.verify.plan import Settings

folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("file", metavar="FILE")
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Training steps that both take.",
)
@click.option(
    "--samples",
    type=click.IntRange(2),
    default=4,
    show_default=True,
    help="Samples in the batch.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Sets weights and samples.",
)
@click.option(
    "--pytorch",
    metavar="DIR",
    type=folder,
    help="A PyTorch program of yours, in place of what is built.",
)
@click.option("--keras", metavar="DIR", type=folder, help="A Keras program of yours.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How the certificate is printed.",
)
@click.option("--expand", is_flag=True, help="A row for each layer, however many.")
@set_option
@plugin_option
def verify(
    file: str,
    steps: int,
    samples: int,
    seed: int,
    pytorch: Path | None,
    keras: Path | None,
    form: str,
    expand: bool,
    overrides: dict[str, Any],
) -> None:
    """Prove that the PyTorch and the Keras program of a spec are the same network.

    Both get the same weights and samples. Compared are the output of each layer (float32), and
    in float64 the loss, the gradient of each weight, and all weights after some steps of the
    spec's own optimizer, nothing dropped out. Where they part, the first layer that differs is
    named, with both values and the likely cause; the exit status is 1.

    With --pytorch or --keras it is a program that you have edited that is compared with the spec.
    """
    from cnnspec.verify.packages import missing_packages, versions

    checked = check_file(file, overrides)
    report(checked)
    if checked.has_errors:
        sys.exit(1)
    missing = missing_packages()
    if missing:
        fail(
            f"{', '.join(missing)}: not installed here, and verify runs both programs",
            2,
        )
    from cnnspec.verify.plan import Settings

    edited = {"pytorch": pytorch, "keras": keras}
    given = {side: path for side, path in edited.items() if path is not None}
    _refuse_other_folders(given, needs_training=_is_trained(checked))
    settings = Settings(samples, steps, seed, _threads(), overrides, given)
    certificate = _certify(checked, settings)
    assert checked.graph is not None
    from cnnspec.verify.report import as_json, as_text

    if form == "json":
        found = as_json(certificate, checked.graph, file, versions())
        click.echo(json.dumps(found, indent=2, allow_nan=False))
    else:
        click.echo(
            as_text(certificate, checked.graph, file, versions(), expand), nl=False
        )
    sys.exit(0 if certificate.same else 1)


def _threads() -> int:
    """Of each of the two processes."""
    import os

    count = getattr(os, "sched_getaffinity", lambda pid: range(os.cpu_count() or 1))
    return max(1, len(count(0)) // 2)


def _is_trained(checked: Checked) -> bool:
    """Whether the spec's programs have a train.py."""
    from cnnspec.diagnostics import Bag
    from cnnspec.training import read_training, why_not_trained

    assert checked.spec is not None and checked.graph is not None
    train = read_training(checked.spec, checked.graph, Bag()).train
    return why_not_trained(checked.spec, checked.graph, train) is None


def _refuse_other_folders(given: dict[str, Path], needs_training: bool) -> None:
    """Ends the process where a folder holds no such program (2)."""
    files = ("model.py", *(("data.py", "train.py") if needs_training else ()))
    for side, path in given.items():
        for name in files:
            if not (path / name).is_file():
                fail(f"{path}: no {name} there: it is no {side} program", 2)
        text = (path / "model.py").read_text(encoding="utf-8", errors="replace")
        package = {"pytorch": "torch", "keras": "keras"}[side]
        if package not in text:
            fail(f"{path}: its model.py has no {package}: it is no {side} program", 2)


def _certify(checked: Checked, settings: Settings) -> Certificate:
    """Runs both in a folder that is gone afterwards; ends the process where one fails."""
    from tempfile import TemporaryDirectory

    from cnnspec.emit.site import Inexpressible
    from cnnspec.verify.certificate import certify
    from cnnspec.verify.plan import prepare
    from cnnspec.verify.running import Failed, run_sides

    assert checked.graph is not None
    # A request to end, as `timeout` sends it, leaves nothing behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with TemporaryDirectory(prefix="cnnspec-verify-") as name:
        place = Path(name)
        try:
            facts = prepare(checked, place, settings)
        except Inexpressible as fault:
            refuse(checked, fault)
            report(checked)
            sys.exit(1)
        try:
            run_sides(place, checked.graph)
        except Failed as error:
            ours = error.side not in settings.programs
            if ours:
                click.echo(error.log, nl=False, err=True)
            fail(f"the {error.side} program: {error.message}", 3 if ours else 1)
        return certify(place, checked.graph, facts)
