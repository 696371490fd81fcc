"""One input enters, groups of its channels leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.fields import Counts, Parts
from cnnspec.layers.layer import NUMERIC, VIEW, Kept, Layer, Misfit, Remark, need
from cnnspec.shapes import MAPS, SEQUENCE, Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step


class Split(Layer):
    """Cuts the channels (features) into parts, each with a name for `from` and `with`.

    The parts are equal, or as large as `sizes` says. The flow goes on with the first one.

    Shapes: (C, H, W) -> (C1, H, W), (C2, H, W), … with C1 + C2 + … = C; (F) -> (F1), (F2), …;
    (L, F) -> (L, F1), (L, F2), ….
    """

    op = "split"
    example = """
        - split: {into: [first, second]}
        - relu
        - concat: {with: [second]}
        """

    into = Parts(doc="Names of the parts, in the order of the channels.")
    sizes = Counts(
        None, doc="Channels of each part; equal parts where it is not given."
    )

    @property
    def ports(self) -> int:
        return len(self.into)

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        (shape,) = inputs
        need(self.op, shape, NUMERIC)
        channels, parts = shape.channels or 0, self.ports
        if self.sizes is None:
            if channels % parts:
                raise Misfit(_uneven(channels, parts))
            sizes = (channels // parts,) * parts
        else:
            sizes = self.sizes
            if len(sizes) != parts or sum(sizes) != channels:
                raise Misfit(_wrong_sizes(channels, parts, sizes))
        return tuple([_part(shape, size) for size in sizes])

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return VIEW

    def pytorch(self, site: Site) -> list[Step]:
        sequence = site.common(
            lambda i: i.inputs[0].layout == SEQUENCE, "the kind of input"
        )
        dim = -1 if sequence else 1
        if self.sizes is None:
            return [site.method("chunk", self.ports, dim=dim)]
        return [site.method("split", site.field("sizes"), dim=dim)]

    def keras(self, site: Site) -> list[Step]:
        if self.sizes is None:
            return [site.call("ops.split", self.ports, axis=-1)]
        # Keras takes the places where it cuts.
        field = site.field("sizes")
        candidates = [_ends(field)] if isinstance(field, tuple) else []
        ends = site.number(lambda i: _ends(i.layer.values["sizes"]), *candidates)
        return [site.call("ops.split", ends, axis=-1)]


def _part(shape: Shape, size: int) -> Shape:
    if shape.layout == MAPS:
        return Shape(MAPS, (size, *shape.spatial))
    return Shape(shape.layout, (*shape.sizes[:-1], size))


def _ends(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Where each part but the last ends, as numbers or expressions."""
    from cnnspec.expressions import Binary, Expr, Literal

    ends = sizes[:1]
    for size in sizes[1:-1]:
        both = (ends[-1], size)
        if any(isinstance(part, Expr) for part in both):
            terms = [p if isinstance(p, Expr) else Literal(p) for p in both]
            ends += (Binary("+", *terms),)
        else:
            ends += (sum(both),)
    return ends


def _uneven(channels: int, parts: int) -> Remark:
    return Remark(
        "CS308",
        "the channels can't be split evenly",
        f"{channels} channels, {parts} parts",
        port=0,
        help=f"let {channels - channels % parts or parts} or "
        f"{channels + -channels % parts} channels enter",
    )


def _wrong_sizes(channels: int, parts: int, sizes: tuple[int, ...]) -> Remark:
    if len(sizes) != parts:
        return Remark(
            "CS308",
            "`sizes` does not have one number for each part",
            f"{len(sizes)} sizes, {parts} parts",
            field="sizes",
        )
    return Remark(
        "CS308",
        "the sizes of the parts don't add up to the channels",
        f"{' + '.join(map(str, sizes))} = {sum(sizes)}, {channels} channels",
        field="sizes",
        port=0,
    )
