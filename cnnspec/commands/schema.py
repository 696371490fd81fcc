"""`cnnspec schema`: nothing enters, the JSON Schema of specs leaves."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    from cnnspec.language_schema import dump

    click.echo(dump(), nl=False)
