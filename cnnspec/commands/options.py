"""Options that several commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _settings(
    ctx: click.Context, param: click.Parameter, given: tuple[str, ...]
) -> dict[str, Any]:
    """`--set classes=10` as {"classes": 10}: the value is read as YAML reads it."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"`{text}` is not NAME=VALUE", ctx, param)
        found[name.strip()] = _read(value, text, ctx, param)
    return found


def _read(value: str, text: str, ctx: click.Context, param: click.Parameter) -> Any:
    from cnnspec.diagnostics import Bag
    from cnnspec.source import SourceFile
    from cnnspec.yamltree import Scalar, parse

    bag = Bag()
    root = parse(SourceFile("--set", f"value: {value}"), bag)
    node = root.get("value") if root is not None and len(root) == 1 else None
    if isinstance(node, Scalar) and node.value is not None:
        return node.value
    why = bag.sorted()[0].message if bag.has_errors else "it takes one number or word"
    raise click.BadParameter(f"`{text}`: {why}", ctx, param)


def set_option(command: F) -> F:
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_settings,
        help="Give a variable of the spec another value. May be repeated.",
    )(command)


def _admit(
    ctx: click.Context, param: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    """The plugins' operations join the registry; a faulty plugin ends the process with 2."""
    for path in given:
        from cnnspec.diagnostics import Bag
        from cnnspec.plugins import admit_file

        bag = Bag()
        source = admit_file(path, bag)
        if len(bag):
            from cnnspec.render import render_text

            color = wants_color(sys.stderr)
            text = render_text(bag.sorted(), source, color, terminal_width())
            click.echo(text, nl=False, color=color, err=True)
            ctx.exit(2)
    return given


def plugin_option(command: F) -> F:
    return click.option(
        "--plugin",
        "plugins",
        multiple=True,
        metavar="FILE.py",
        expose_value=False,
        callback=_admit,
        help="Take the operations that this file defines, too. It is run as Python. "
        "May be repeated.",
    )(command)


def wants_color(stream: Any = None) -> bool:
    """Whether to colour: a terminal, and no NO_COLOR (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return bool((stream or sys.stdout).isatty()) and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """Columns of the terminal; 100 where the output is no terminal and COLUMNS is unset.

    What shutil.get_terminal_size does, without its imports: they cost 1.5 ms.
    """
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 100
    except (ValueError, OSError):  # closed, replaced, or no terminal
        return 100
