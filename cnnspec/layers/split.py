"""Maps enter, groups of their channels leave: what `parallel: {split: true}` does first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.fields import Integer
from cnnspec.layers.layer import Layer, Misfit, Remark
from cnnspec.shapes import Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step


class Split(Layer):
    """Equal parts of the channels, in order.

    Shapes: (C, H, W) -> parts times (C/parts, H, W).
    """

    op = "split"
    example = "- parallel: {split: true, branches: [[relu], [tanh]]}"

    parts = Integer(least=1, doc="Number of parts.")

    @property
    def ports(self) -> int:
        return self.parts

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        (shape,) = inputs
        channels = shape.channels
        if channels is None or channels % self.parts:
            raise Misfit(
                Remark(
                    "CS308",
                    "the channels can't be split evenly over the branches",
                    f"{channels} channels, {self.parts} branches",
                    port=0,
                )
            )
        part = channels // self.parts
        sizes = (part, *shape.spatial) if shape.rank else (*shape.sizes[:-1], part)
        return (Shape(shape.layout, sizes),) * self.parts

    def pytorch(self, site: Site) -> list[Step]:
        return [site.method("chunk", self.parts, dim=1 if site.rank else -1)]

    def keras(self, site: Site) -> list[Step]:
        return [site.call("ops.split", self.parts, axis=-1)]
