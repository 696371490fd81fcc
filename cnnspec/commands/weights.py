"""`cnnspec weights`: a file of weights enters; the same weights in another form leave."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from cnnspec.commands.build import TARGETS, fail, refuse, report
from cnnspec.commands.options import plugin_option, set_option
from cnnspec.compile import Checked, check_file

NAMES = {"pytorch": "PyTorch", "keras": "Keras"}

if TYPE_CHECKING:
    from cnnspec.weights.contents import Contents
    from cnnspec.weights.importing.adopt import Row
    from cnnspec.weights.importing.names import Given
    from cnnspec.weights.importing.own import Own
    from cnnspec.weights.importing.stored import Stored
    from cnnspec.weights.keras_file import Program


@click.group()
def weights() -> None:
    """Weights of a spec: from one framework to the other, or from another program."""


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
        _misfit(source, checked, fault.lines)
    size = write(output, form, made, checked)
    click.echo(summary(output, made, size))
    if contents.metadata and not output.name.endswith(".safetensors"):
        names = ", ".join(sorted(contents.metadata))
        click.echo(f"left out: its metadata ({names}), which only .safetensors holds")


@weights.command("import")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.option("--spec", "file", metavar="SPEC", required=True, help="Who gets them.")
@click.option(
    "--map",
    "names",
    metavar="FILE.yaml",
    help="Names that belong together, `THEIRS: OURS`, of layers or tensors; the others are "
    "found around them.",
)
@click.option(
    "--write-map",
    "map_output",
    metavar="FILE.yaml",
    type=click.Path(path_type=Path),
    help="Write what was found as such a file, to be corrected.",
)
@click.option(
    "--to",
    "target",
    type=click.Choice(TARGETS),
    help="The framework whose names and order OUT has.",
)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path),
    help="The file to write, named as for `convert`; without it, only the pairs are shown.",
)
@set_option
@plugin_option
def import_(
    source: Path,
    file: str,
    names: str | None,
    map_output: Path | None,
    target: str | None,
    output: Path | None,
    overrides: dict[str, Any],
) -> None:
    """Import weights of another program, such as torchvision's or keras.applications'.

    IN is a state dict of PyTorch (.pth, .pt, .safetensors) or weights of Keras (.weights.h5,
    .h5). Which of its layers is which of the spec's follows from their shapes and their order,
    and from their names where that leaves it open; it is shown, layer by layer. Where the
    layers don't fit, the difference is shown, nothing is written, and the status is 1.
    """
    need("numpy")
    if (target is None) != (output is None):
        raise click.UsageError("--to and -o go together")
    form = output_form(output, target) if output and target else ""
    if map_output is not None and map_output.exists():
        fail(f"{map_output} exists already: give another name, or move it", 2)
    checked = check_file(file, overrides)
    if checked.has_errors:  # what the check only warns of is no concern here
        report(checked)
        sys.exit(1)
    if output is not None:
        refuse_inputs(output, source, file, *([names] if names else []))
    from cnnspec.weights.importing.table import pairs_table

    with readable(source):
        stored = _open(source)
        rows = _pair(source, stored, checked, names)
        click.echo(pairs_table(rows), nl=False)
        if output is not None and target is not None:
            made = _become(source, stored, checked, rows, target)
            size = write(output, form, made, checked)
            click.echo(summary(output, made, size))
    if map_output is not None:
        _write_map(map_output, stored, rows, checked)


def _open(path: Path) -> Stored:
    from cnnspec.weights import files
    from cnnspec.weights.importing.stored import open_stored

    form = files.form_of(path)
    need(*(("h5py",) if form == files.HDF5 else files.PACKAGES[form]))
    return open_stored(path, form)


def _pair(
    source: Path, stored: Stored, checked: Checked, names: str | None
) -> list[Row]:
    """Ends the process with 1 where names are wrong, or layers are left over."""
    from cnnspec.weights.importing.adopt import pair_layers
    from cnnspec.weights.importing.matching import Unmatched
    from cnnspec.weights.importing.names import NOTHING
    from cnnspec.weights.importing.own import own_layers
    from cnnspec.weights.importing.table import differences

    spec, graph = checked.spec, checked.graph
    assert spec is not None and graph is not None
    ours = own_layers(spec, graph, stored.framework)
    given = _given(names, stored, ours) if names else NOTHING
    try:
        return pair_layers(stored, ours, given)
    except Unmatched as left:
        theirs = [stored.groups[number] for number in left.theirs]
        missing = [ours[number] for number in left.ours]
        _misfit(source, checked, differences(theirs, missing, spec))


def _given(path: str, stored: Stored, ours: list[Own]) -> Given:
    from cnnspec.diagnostics import Bag
    from cnnspec.source import read_source
    from cnnspec.weights.importing.names import read_map

    bag = Bag()
    source = read_source(path, bag)
    given = read_map(source, stored, ours, bag)
    report(Checked(source, None, None, bag.sorted()))
    if bag.has_errors:
        sys.exit(1)
    return given


def _become(
    source: Path, stored: Stored, checked: Checked, rows: list[Row], target: str
) -> Contents:
    from cnnspec.weights.convert import Unfit
    from cnnspec.weights.importing.adopt import imported

    assert checked.graph is not None
    try:
        return imported(checked.graph, stored, rows, target)
    except Unfit as fault:
        _misfit(source, checked, fault.lines)


def _misfit(source: Path, checked: Checked, lines: list[str]) -> NoReturn:
    told = "\n".join([f"  {line}" for line in lines])
    fail(f"{source} does not fit {checked.source.name}\n{told}", 1)


def _write_map(path: Path, stored: Stored, rows: list[Row], checked: Checked) -> None:
    from cnnspec.weights.files import whole
    from cnnspec.weights.importing.table import map_text

    text = map_text(stored, rows, checked.source.name)
    try:
        with whole(path) as file:
            file.write(text.encode())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        fail(f"{path}: {reason.lower()}", 2)
    click.echo(f"wrote {path}: {len(rows)} layers")


def read(path: Path, checked: Checked) -> Contents:
    """A file's contents; ends the process where it can't be read (1)."""
    from cnnspec.weights import files
    from cnnspec.weights.keras_file import Failed

    with readable(path):
        form = files.form_of(path)
        need(*files.PACKAGES[form])
        try:
            return files.read(path, form, lambda: _program(checked))
        except Failed as error:
            fail(f"{path}: Keras failed to read it: {error}", 1)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Ends the process with 1 where a file can't be read within."""
    from cnnspec.weights.contents import Unreadable

    try:
        if path.exists() and not path.is_file():
            raise Unreadable("it is no file")
        yield
    except Unreadable as error:
        fail(f"{path}: {error}", 1)
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
