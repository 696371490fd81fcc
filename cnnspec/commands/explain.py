"""`cnnspec explain`: a diagnostic code or an operation enters, its page leaves."""

from __future__ import annotations

import re

import click


@click.command()
@click.argument("topic", metavar="CODE|OPERATION")
def explain(topic: str) -> None:
    """The page of a diagnostic code or an operation.

    `explain CS301` says what a diagnostic means, with an example; `explain conv` shows an
    operation's fields; `explain operations` lists all operations.
    """
    click.echo(_page(topic), nl=False)


def _page(topic: str) -> str:
    if re.fullmatch("[Cc][Ss][0-9]{3}", topic):
        from cnnspec import codes

        page = codes.explain(topic)
        if page is None:
            raise click.UsageError(f"there is no diagnostic code `{topic.upper()}`")
        return page
    from cnnspec import pages
    from cnnspec.aliases import operation_help

    if topic == "operations":
        return pages.overview()
    page = pages.operation_page(topic)
    if page is None:
        more = operation_help(topic, pages.names())
        raise click.UsageError(f"nothing is known of `{topic[:60]}`: {more}")
    return page
