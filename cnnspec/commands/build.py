"""`cnnspec build`: a spec enters; a folder with its PyTorch or Keras program leaves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from cnnspec.commands.options import (
    plugin_option,
    set_option,
    terminal_width,
    wants_color,
)
from cnnspec.compile import Checked, check_file

if TYPE_CHECKING:
    from cnnspec.emit.writer import State

TARGETS = ("pytorch", "keras")

target_option = click.option(
    "--target",
    type=click.Choice(TARGETS),
    required=True,
    help="The framework of the program.",
)
force_option = click.option(
    "--force", is_flag=True, help="Overwrite files that were edited."
)


@click.command()
@click.argument("file", metavar="FILE")
@target_option
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder to write.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if it differs.")
@click.option("--diff", is_flag=True, help="As --check, and print the difference.")
@force_option
@set_option
@plugin_option
def build(
    file: str,
    target: str,
    output: Path,
    check: bool,
    diff: bool,
    force: bool,
    overrides: dict[str, Any],
) -> None:
    """Write the PyTorch or Keras program of a spec into a folder.

    FILE may be `-` for standard input. What else is in the folder stays as it is, and so do
    files that you edited. Where the spec now gives another text for one of these, nothing is
    written: the difference is shown, and the exit status is 1.
    """
    checked = check_file(file, overrides)
    files = make_program(checked, target, overrides)
    if check or diff:
        _compare(output, files, diff)
        return
    state = write(output, files, force)
    names = [d.name for d in state.differences]
    wrote = f"wrote {', '.join(names)}" if names else "nothing to change"
    click.echo(f"{output}: {wrote}{kept(state)}")
    for line in remarks(checked):
        click.echo(line)


def make_program(
    checked: Checked, target: str, overrides: dict[str, Any]
) -> dict[str, str]:
    """The program's files; ends the process with 1 where the spec or the target forbids it."""
    files = {}
    if not checked.has_errors:
        from cnnspec.emit.program import program_files
        from cnnspec.emit.site import Inexpressible

        try:
            files = program_files(checked, target, overrides)
        except Inexpressible as fault:
            refuse(checked, fault)
    report(checked)
    if checked.has_errors:
        sys.exit(1)
    return files


def remarks(checked: Checked) -> list[str]:
    """What a spec without errors leaves open: its data, or whether it can be trained."""
    from cnnspec.datasets import CLASSES_OF_DIGITS
    from cnnspec.diagnostics import Bag
    from cnnspec.shapes import describe
    from cnnspec.training import (
        learns_input,
        only_input,
        output_shapes,
        read_training,
        takes_images,
        why_not_trained,
    )

    spec, graph = checked.spec, checked.graph
    assert spec is not None and graph is not None
    train = read_training(spec, graph, Bag()).train
    reason = why_not_trained(spec, graph, train)
    if reason is not None:
        return [
            f"no train.py: this network can't be trained yet, because {reason} (CS520)"
        ]
    if spec.data is not None:
        return []
    given = only_input(graph)
    counts = {made.elements for made in output_shapes(graph).values() if made}
    assert given is not None
    if not takes_images(given):
        return [
            f"data: synthetic: the network takes {describe(given)}, digits are images of "
            "1 or 3 channels"
        ]
    others = counts - {CLASSES_OF_DIGITS}
    if others and not learns_input(train):
        outputs = f"{min(others)} output{'s' if min(others) != 1 else ''}"
        return [
            f"data: synthetic: the network has {outputs}, digits has "
            f"{CLASSES_OF_DIGITS} classes"
        ]
    return ["data: scikit-learn's digits (the spec names none)"]


def refuse(checked: Checked, fault: Any) -> None:
    """Adds what a target can't say to the findings of the check."""
    from cnnspec.diagnostics import Diagnostic, severity_of
    from cnnspec.source import START

    found = Diagnostic(
        fault.code,
        severity_of(fault.code),
        fault.message,
        getattr(fault, "span", None) or START,
        help=fault.help,
    )
    checked.diagnostics = [*checked.diagnostics, found]


def report(checked: Checked) -> None:
    """Prints errors and warnings to standard error."""
    if not checked.diagnostics:
        return
    from cnnspec.render import render_text, summary

    color = wants_color(sys.stderr)
    found = checked.diagnostics
    text = render_text(found, checked.source, color, terminal_width())
    click.echo(text, nl=False, color=color, err=True)
    click.echo(summary(found), err=True)


def write(folder: Path, files: dict[str, str], force: bool) -> State:
    """Writes the program; ends the process where it can't (2) or may not (1)."""
    from cnnspec.emit.writer import Unwritable, diff, write_program

    try:
        state = write_program(folder, files, force)
    except Unwritable as error:
        fail(str(error), 2)
    if state.conflicts:
        click.echo(diff(state.conflicts), nl=False)
        names = ", ".join(d.name for d in state.conflicts)
        fail(
            f"{folder}: {names} would be overwritten, but cnnspec did not write what is "
            "there: move it, or take --force",
            1,
        )
    return state


def kept(state: State) -> str:
    """What to add to a line that says what was written."""
    names = ", ".join(d.name for d in state.kept)
    return f"; kept {names}, which you edited" if names else ""


def fail(message: str, status: int) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(status)


def _compare(folder: Path, files: dict[str, str], show: bool) -> None:
    from cnnspec.emit.writer import Unwritable, compare, diff

    try:
        state = compare(folder, files)
    except Unwritable as error:
        fail(str(error), 2)
    if not state.differences:
        click.echo(f"{folder}: as it would be written{kept(state)}")
        return
    if show:
        click.echo(diff(state.differences), nl=False)
    names = ", ".join(d.name for d in state.differences)
    fail(f"{folder} differs: {names}", 1)
