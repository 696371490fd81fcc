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

FORMATS = ("text", "concise", "json", "sarif", "github")


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option(
    "--expand", is_flag=True, help="Show what is inside blocks and containers."
)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True
)
@set_option
@plugin_option
def check(
    files: tuple[str, ...],
    strict: bool,
    expand: bool,
    form: str,
    overrides: dict[str, Any],
) -> None:
    """Check specs: shapes, parameters, costs and mistakes.

    FILE may be `-` for standard input. Exits with 1 where a spec has errors.
    """
    results = [check_file(file, overrides) for file in files]
    if form == "json":
        _print_json(results, strict)
    elif form == "sarif":
        import json

        from cnnspec.sarif import to_sarif

        runs = to_sarif([(r.source.name, r.diagnostics) for r in results])
        click.echo(json.dumps(runs, indent=2))
    else:
        for number, checked in enumerate(results):
            _print(checked, form, expand, strict, blank=number > 0)
    bad = {"error", "warning"} if strict else {"error"}
    if any(d.severity in bad for checked in results for d in checked.diagnostics):
        sys.exit(1)


def _print_json(results: list[Checked], strict: bool) -> None:
    import json

    from cnnspec.report import spec_json

    document = {"version": 1, "specs": [spec_json(r, strict) for r in results]}
    click.echo(json.dumps(document))


def _print(
    checked: Checked, form: str, expand: bool, strict: bool, blank: bool
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
