"""`cnnspec list`: nothing enters; the shipped specs and their figures leave."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
)
def list(form: str) -> None:  # the command's name
    """List the specs that ship with cnnspec, with their figures.

    `cnnspec init --from NAME FILE` copies one.
    """
    from cnnspec.shipped import names, network, network_json, networks_table

    found = [network(name) for name in names()]
    if form == "json":
        import json

        specs = [network_json(each) for each in found]
        click.echo(json.dumps({"version": 1, "specs": specs}))
    else:
        click.echo(networks_table(found), nl=False)
