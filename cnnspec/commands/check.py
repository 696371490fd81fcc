"""`cnnspec check`: specs enter; shapes, costs and diagnostics leave."""

from __future__ import annotations

import sys
from typing import Any

import click

from cnnspec.commands.options import (
    plugin_option,
    set_option,
    terminal_width,
    wants_color,
)
from cnnspec.compile import Checked, check_file
from cnnspec.diagnostics import Diagnostic

Step = tuple[int, str]  # samples of a batch, and the precision
FORMATS = ("text", "concise", "json", "sarif", "github")
PRECISIONS = ("float32", "bfloat16", "mixed_bfloat16")  # memory.py says what they are


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option(
    "--expand", is_flag=True, help="Show what is inside blocks and containers."
)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Show the memory of training on batches of N samples.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help="Of that training; float32 where it is not given.",
)
@set_option
@plugin_option
def check(
    files: tuple[str, ...],
    strict: bool,
    expand: bool,
    form: str,
    batch_size: int | None,
    precision: str | None,
    overrides: dict[str, Any],
) -> None:
    """Check specs: shapes, parameters, costs and mistakes.

    FILE may be `-` for standard input. Exits with 1 where a spec has errors.
    """
    if precision is not None and batch_size is None:
        raise click.UsageError("--precision goes with --batch-size")
    step = (batch_size, precision or "float32") if batch_size else None
    results = [check_file(file, overrides) for file in files]
    if form == "json":
        _print_json(results, strict, step)
    elif form == "sarif":
        import json

        from cnnspec.sarif import to_sarif

        runs = to_sarif([(r.source.name, r.diagnostics) for r in results])
        click.echo(json.dumps(runs, indent=2))
    else:
        for number, checked in enumerate(results):
            _print(checked, form, expand, strict, step, blank=number > 0)
    bad = {"error", "warning"} if strict else {"error"}
    if any(d.severity in bad for checked in results for d in checked.diagnostics):
        sys.exit(1)


def _print_json(results: list[Checked], strict: bool, step: Step | None) -> None:
    import json

    from cnnspec.report import spec_json

    specs = [spec_json(r, strict) for r in results]
    if step is not None:
        from cnnspec.memory import memory_json

        for spec, checked in zip(specs, results, strict=True):
            spec["memory"] = memory_json(checked, *step)
    click.echo(json.dumps({"version": 1, "specs": specs}))


def _print(
    checked: Checked,
    form: str,
    expand: bool,
    strict: bool,
    step: Step | None,
    blank: bool,
) -> None:
    found: list[Diagnostic] = checked.diagnostics
    if form != "text":
        from cnnspec.render import render_concise, render_github

        render = render_concise if form == "concise" else render_github
        if found:
            click.echo(render(found, checked.source), nl=False)
        return
    color, width = wants_color(), terminal_width()
    if blank:
        click.echo()
    if found:
        from cnnspec.render import render_text, summary

        text = render_text(found, checked.source, color, width)
        click.echo(text, nl=False, color=color)
        counts = summary(found)
        if strict and not checked.has_errors and "warning" in counts:
            counts += ", taken for errors by --strict"
        click.echo(counts)
    if not checked.has_errors:
        from cnnspec.report import table

        if found:
            click.echo()
        click.echo(table(checked, expand, width, color), nl=False, color=color)
        if step is not None:
            from cnnspec.memory import memory_text

            click.echo(memory_text(checked, *step), nl=False)
