"""The command line enters; a command runs and the process exits with 0, 1, 2 or 3.

0: fine. 1: the spec has errors. 2: wrong use. 3: a bug of cnnspec's own.
Each command is loaded when it is called: `check` must not pay for `build`.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import Any

import click

from cnnspec import __version__

COMMANDS = {
    "init": "write a new spec, and the schema for editors beside it",
    "list": "the specs that ship with cnnspec, with their figures",
    "check": "shapes, parameters, costs and mistakes of specs",
    "build": "write the PyTorch or Keras program of a spec",
    "train": "build, then run the program's training",
    "verify": "prove that both programs are the same network",
    "weights": "convert weights between PyTorch and Keras, import known ones",
    "graph": "draw the network: SVG, Mermaid or DOT",
    "explain": "the page of a diagnostic code or an operation",
    "schema": "print the JSON Schema of specs",
}


class LazyGroup(click.Group):
    """A group whose commands are modules of `cnnspec.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = import_module(f"cnnspec.commands.{name}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cnnspec")
def cli() -> None:
    """Compiles YAML specs of convolutional networks to PyTorch and Keras programs."""


def main() -> Any:
    """The console script."""
    # A run makes trees that live to its end: collecting cycles only costs, at 20,000 layers
    # more than half of the time.
    gc.disable()
    try:
        return cli()
    except BrokenPipeError:
        sys.stderr.close()  # the reader (such as `head`) has gone: nothing to say
        sys.exit(1)
    except Exception as error:
        if "cnnspec.plugins" in sys.modules:
            from cnnspec.plugins import reported

            said = reported(error)
            if said:
                click.echo(f"error[CS124]: {said}", err=True)
                sys.exit(1)
        import traceback

        traceback.print_exc()
        click.echo("\ncnnspec: this is a bug in cnnspec; please report it.", err=True)
        sys.exit(3)
