"""`cnnspec graph`: a spec enters; a picture of its network leaves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from cnnspec.commands.build import fail, report
from cnnspec.commands.options import plugin_option, set_option
from cnnspec.compile import check_file

FORMATS = ("svg", "mermaid", "dot")


@click.command()
@click.argument("file", metavar="FILE")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="svg", show_default=True
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file to write.  [default: standard output]",
)
@click.option(
    "--expand",
    is_flag=True,
    help="Show the inside of every block, not of its first use.",
)
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    metavar="N",
    help="Show the inside of N levels of blocks; 0: blocks are plain boxes.",
)
@set_option
@plugin_option
def graph(
    file: str,
    form: str,
    output: Path | None,
    expand: bool,
    depth: int | None,
    overrides: dict[str, Any],
) -> None:
    """Draw the network of a spec: as SVG, or as text for Mermaid or Graphviz (DOT).

    FILE may be `-` for standard input. A block's inside is drawn where it is first used; equal
    blocks in a row are one box with a count.
    """
    checked = check_file(file, overrides)
    report(checked)
    if checked.has_errors:
        sys.exit(1)
    from cnnspec.drawing.draw import draw

    assert checked.spec is not None and checked.graph is not None
    text = draw(checked.spec, checked.graph, form, expand, depth)
    if output is None:
        click.echo(text.encode(), nl=False)  # UTF-8, as SVG is without a declaration
        return
    if output.exists() and file != "-" and output.samefile(file):
        fail(f"{output}: is the spec itself, which the picture would replace", 2)
    try:
        output.write_text(text, encoding="utf-8", newline="\n")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        fail(f"{output}: {why.lower()}", 2)
    click.echo(f"wrote {output}")
