"""`cnnspec schema`: nothing enters, the JSON Schema of specs leaves."""

from __future__ import annotations

import click

from cnnspec.commands.options import plugin_option


@click.command()
@plugin_option
@click.option(
    "--installed",
    is_flag=True,
    help="With the operations of installed plugins, too.",
)
def schema(installed: bool) -> None:
    """Print the JSON Schema of specs, for editors."""
    from cnnspec.language_schema import dump

    if installed:
        _admit_installed()
    click.echo(dump(), nl=False)


def _admit_installed() -> None:
    """All of them; one that can't be used is said and left out."""
    from cnnspec import plugins

    for name in plugins.installed_names():
        try:
            operation = plugins.installed(name)
        except plugins.Unusable as fault:
            click.echo(f"warning: left out `{name}`: {fault.text}", err=True)
        else:
            if operation is not None:
                plugins.admit(operation)
