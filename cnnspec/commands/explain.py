"""`cnnspec explain`: a diagnostic code or an operation enters, its page leaves."""

from __future__ import annotations

import re

import click

from cnnspec.commands.options import plugin_option


@click.command()
@plugin_option
@click.argument("topic", metavar="CODE|OPERATION")
def explain(topic: str) -> None:
    """The page of a diagnostic code or an operation.

    `explain CS301` says what a diagnostic means, with an example; `explain conv` shows an
    operation's fields; `explain operations` lists all operations, those of installed
    plugins last. `explain data` and `explain train` show what a spec says of its training,
    `explain mnist` a source of data, `explain adamw` an optimizer, `explain cosine` a
    schedule of the learning rate.
    """
    click.echo(_page(topic), nl=False)


def _page(topic: str) -> str:
    if re.fullmatch("[Cc][Ss][0-9]{3}", topic):
        from cnnspec import codes

        page = codes.explain(topic)
        if page is None:
            raise click.UsageError(f"there is no diagnostic code `{topic.upper()}`")
        return page
    from cnnspec import pages, plugins
    from cnnspec.aliases import operation_help

    if topic == "operations":
        return pages.overview() + _installed()
    if topic == "data":
        return pages.data_page()
    page = pages.operation_page(topic)
    if page is None and _admit(topic):
        page = pages.operation_page(topic)
    if page is None:
        known = [*pages.names(), *plugins.installed_names()]
        more = operation_help(topic, known)
        raise click.UsageError(f"nothing is known of `{topic[:60]}`: {more}")
    return page


def _admit(name: str) -> bool:
    """Whether an installed plugin has the operation; a faulty one is wrong use."""
    from cnnspec import plugins

    try:
        operation = plugins.installed(name)
    except plugins.Unusable as fault:
        raise click.UsageError(fault.text) from None
    if operation is not None:
        plugins.admit(operation)
    return operation is not None


def _installed() -> str:
    from cnnspec.plugins import installed_names

    names = installed_names()
    return f"\nOf installed plugins: {', '.join(names)}\n" if names else ""
