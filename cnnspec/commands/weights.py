"""`cnnspec weights`: a file of weights enters; the same weights in another form leave."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnspec.commands.build import TARGETS, fail, refuse, report
from cnnspec.commands.options import plugin_option, set_option
from cnnspec.compile import Checked, check_file

NAMES = {"pytorch": "PyTorch", "keras": "Keras"}

if TYPE_CHECKING:
    from cnnspec.weights.contents import Contents
    from cnnspec.weights.keras_file import Program


@click.group()
def weights() -> None:
    """Weights of a spec: from one framework to the other."""


@weights.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.option("--spec", "file", metavar="SPEC", required=True, help="Whose they are.")
@click.option(
    "--to",
    "target",
    type=click.Choice(TARGETS),
    required=True,
    help="The framework whose names and order OUT has.",
)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    required=True,
    type=click.Path(path_type=Path),
    help="The file to write: .safetensors, .pt or .pth; for Keras .safetensors or "
    ".weights.h5.",
)
@set_option
@plugin_option
def convert(
    source: Path, file: str, target: str, output: Path, overrides: dict[str, Any]
) -> None:
    """Convert weights between PyTorch and Keras, bit by bit.

    IN is what train.py of either program saves (.safetensors), a state dict of PyTorch
    (.pt, .pth), or weights of Keras (.weights.h5): which one, its contents tell. Where they
    don't fit the spec, the difference is shown, nothing is written, and the status is 1.
    """
    need("numpy")
    form = output_form(output, target)
    checked = check_file(file, overrides)
    if checked.has_errors:  # what the check only warns of is no concern here
        report(checked)
        sys.exit(1)
    refuse_inputs(output, source, file)
    from cnnspec.weights.convert import Unfit, converted

    contents = read(source, checked)
    try:
        made = converted(checked, contents, target)
    except Unfit as fault:
        lines = "\n".join(f"  {line}" for line in fault.lines)
        fail(f"{source} does not fit {checked.source.name}\n{lines}", 1)
    size = write(output, form, made, checked)
    click.echo(summary(output, made, size))
    if contents.metadata and not output.name.endswith(".safetensors"):
        names = ", ".join(sorted(contents.metadata))
        click.echo(f"left out: its metadata ({names}), which only .safetensors holds")


def read(path: Path, checked: Checked) -> Contents:
    """A file's contents; ends the process where it can't be read (1)."""
    from cnnspec.weights import files
    from cnnspec.weights.contents import Unreadable
    from cnnspec.weights.keras_file import Failed

    try:
        if path.exists() and not path.is_file():
            raise Unreadable("it is no file")
        form = files.form_of(path)
        need(*files.PACKAGES[form])
        return files.read(path, form, lambda: _program(checked))
    except Unreadable as error:
        fail(f"{path}: {error}", 1)
    except Failed as error:
        fail(f"{path}: Keras failed to read it: {error}", 1)
    except OSError as error:
        fail(f"{path}: {(error.strerror or str(error)).lower()}", 1)


def write(path: Path, form: str, contents: Contents, checked: Checked) -> int:
    """Writes a file; returns its bytes. Ends the process where it can't be written (2)."""
    from cnnspec.weights import files
    from cnnspec.weights.keras_file import Failed

    need(*files.PACKAGES[form])
    try:
        return files.write(path, form, contents, lambda: _program(checked))
    except Failed as error:
        fail(f"{path}: Keras failed to write it: {error}", 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        fail(f"{path}: {reason.lower()}", 2)


def output_form(path: Path, target: str) -> str:
    """The form of the file to write, by its name; a name of another is wrong use."""
    from cnnspec.weights.files import SUFFIXES

    for suffix, form in SUFFIXES[target].items():
        if path.name.endswith(suffix) and path.name != suffix:
            return form
    names = ", ".join(f"NAME{suffix}" for suffix in SUFFIXES[target])
    raise click.UsageError(
        f"{path}: weights for {NAMES[target]} are written as {names}"
    )


def need(*packages: str) -> None:
    """Ends the process where a package is not installed (2)."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        fail(
            f"{', '.join(missing)} {verb} not installed here, which such a file needs: "
            f"python -m pip install {' '.join(missing)}",
            2,
        )


def refuse_inputs(output: Path, *inputs: str | Path) -> None:
    """Ends the process where the output would replace what is read (2)."""
    for path in map(Path, inputs):
        try:
            is_same = output.samefile(path)
        except OSError:  # one of them is not there
            continue
        if is_same:
            fail(f"{output}: is {path} itself, which would be replaced", 2)


def summary(path: Path, contents: Contents, size: int) -> str:
    """One line: what was written."""
    arrays = contents.tensors.values()
    count = f"{len(arrays)} tensor{'s' if len(arrays) != 1 else ''}"
    numbers = sum(array.size for array in arrays)
    return f"wrote {path}: {count}, {numbers:,} numbers, {size:,} bytes"


def _program(checked: Checked) -> Program:
    from cnnspec.emit.site import Inexpressible
    from cnnspec.weights.convert import program_of

    try:
        return program_of(checked)
    except Inexpressible as fault:
        checked.diagnostics = []
        refuse(checked, fault)
        report(checked)
        sys.exit(1)
