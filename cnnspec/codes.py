"""codes.yaml enters; the page of each diagnostic code leaves.

For `explain` and SARIF alone: a check never loads the pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cnnspec.diagnostics import Bag
from cnnspec.render import render_concise
from cnnspec.source import read_source
from cnnspec.yamltree import Mapping, Node, Scalar, parse

PAGES = Path(__file__).with_name("codes.yaml")


class Page(NamedTuple):
    """What a code means; no examples where no text of a spec can show it."""

    code: str
    title: str
    why: str
    bad: str | None
    good: str | None


def load_codes() -> dict[str, Page]:
    """The pages by code, in the order of the codes."""
    bag = Bag()
    source = read_source(str(PAGES), bag)
    tree = parse(source, bag)
    if tree is None:
        raise ValueError(render_concise(bag.sorted(), source))
    pages = {key.text: _page(key.text, value) for key, value in tree.items}
    return dict(sorted(pages.items()))


def _page(code: str, node: Node) -> Page:
    assert isinstance(node, Mapping), code
    texts = {
        key.text: value.text for key, value in node.items if isinstance(value, Scalar)
    }
    return Page(
        code,
        texts["title"],
        " ".join(texts["why"].split()),
        texts.get("bad"),
        texts.get("good"),
    )


def explain(code: str) -> str | None:
    """A code's page as text for a terminal; None where there is no such code."""
    page = load_codes().get(code.upper())
    if page is None:
        return None
    from textwrap import fill, indent

    parts = [f"{page.code}: {page.title}", fill(page.why, 80)]
    if page.bad and page.good:
        parts.append("Reported:\n\n" + indent(page.bad.rstrip(), "    "))
        parts.append("Fine:\n\n" + indent(page.good.rstrip(), "    "))
    return "\n\n".join(parts) + "\n"
