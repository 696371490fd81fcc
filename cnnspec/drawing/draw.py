"""A checked network and a format enter; the picture's text leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.drawing.compose import compose
from cnnspec.drawing.similar import close

if TYPE_CHECKING:
    from cnnspec.graph import Graph
    from cnnspec.spec import Spec


def draw(
    spec: Spec, graph: Graph, form: str, expand: bool = False, depth: int | None = None
) -> str:
    """The picture of a network without errors.

    Args:
        form: svg, mermaid or dot.
        expand: open every use of a block, not its first alone.
        depth: how many levels of blocks are open; None: all.
    """
    picture = compose(spec, graph)
    close(picture.body, expand, depth)
    if form == "svg":
        from cnnspec.drawing.svg import to_svg

        return to_svg(picture)
    if form == "mermaid":
        from cnnspec.drawing.mermaid import to_mermaid

        return to_mermaid(picture)
    from cnnspec.drawing.dot import to_dot

    return to_dot(picture)
