"""Merges: one or more inputs enter, one output leaves. Also the identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cnnspec.fields import Names
from cnnspec.layers.layer import NUMERIC, VIEW, Kept, Layer, Misfit, Remark, need
from cnnspec.shapes import MAPS, SEQUENCE, VECTOR, Shape, describe

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step


class Identity(Layer):
    """Hands its input on.

    Shapes: any -> the same.
    """

    op = "identity"
    follows = True
    example = "- identity"

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return inputs

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return VIEW

    def pytorch(self, site: Site) -> list[Step]:
        return []

    def keras(self, site: Site) -> list[Step]:
        return []


class Merge(Layer):
    """What all merges share: the flow and the layers named in `with`, in this order."""

    arity: ClassVar[tuple[int, int | None]] = (1, None)
    __slots__ = ()

    with_ = Names(doc="Names of earlier layers whose outputs are merged with the flow.")

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        if len(inputs) == 1:
            return VIEW
        return self.kept_by_merge(inputs, outputs)

    def kept_by_merge(
        self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]
    ) -> Kept:
        return Kept(inputs=False, hands_on=True)

    def pytorch(self, site: Site) -> list[Step]:
        return self.torch_merge(site, _inputs(site)) if _inputs(site) > 1 else []

    def keras(self, site: Site) -> list[Step]:
        # Keras' merging layers refuse a single input.
        return [self.keras_merge(site)] if _inputs(site) > 1 else []

    def torch_merge(self, site: Site, inputs: int) -> list[Step]:
        raise NotImplementedError

    def keras_merge(self, site: Site) -> Step:
        raise NotImplementedError


def _inputs(site: Site) -> int:
    return len(site.instances[0].inputs)


class Elementwise(Merge):
    """A merge number by number: of equal shapes."""

    broadcasts: ClassVar[bool] = False  # (C, 1, 1) over (C, H, W)
    keras_layer: ClassVar[str]
    __slots__ = ()

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        result = inputs[0]
        for port, shape in enumerate(inputs):
            need(self.op, shape, NUMERIC, port)
            if shape == result or (self.broadcasts and _spreads(shape, result)):
                continue
            if self.broadcasts and _spreads(result, shape):
                result = shape
                continue
            raise Misfit(_unequal(self.op, result, shape, port, self.broadcasts))
        return (result,)

    def keras_merge(self, site: Site) -> Step:
        return site.layer(f"layers.{self.keras_layer}")


def _spreads(small: Shape, large: Shape) -> bool:
    return (
        small.layout == large.layout == MAPS
        and small.rank == large.rank
        and small.sizes[0] == large.sizes[0]
        and set(small.spatial) == {1}
    )


class Add(Elementwise):
    """The sum of its inputs, number by number.

    Shapes: equal ones -> the same; maps of extent 1, (C, 1, 1), spread over (C, H, W).
    """

    op = "add"
    broadcasts = True
    keras_layer = "Add"
    example = """
        - relu:
          name: skip
        - conv: {filters: 64, kernel: 3, padding: 1}
        - add: {with: [skip]}
        """

    def torch_merge(self, site: Site, inputs: int) -> list[Step]:
        return [site.operator("+")]


class Subtract(Elementwise):
    """The flow minus the one layer that is named, number by number.

    Shapes: equal ones -> the same.
    """

    op = "subtract"
    arity = (2, 2)
    keras_layer = "Subtract"
    example = """
        - avg_pool: {kernel: 3, stride: 1, padding: 1}
          name: blurred
        - identity:
          from: input
        - subtract: {with: [blurred]}
        """

    def torch_merge(self, site: Site, inputs: int) -> list[Step]:
        return [site.operator("-")]


class Multiply(Elementwise):
    """The product of its inputs, number by number.

    Shapes: equal ones -> the same; maps of extent 1, (C, 1, 1), spread over (C, H, W).
    """

    op = "multiply"
    broadcasts = True
    keras_layer = "Multiply"
    example = """
        - global_avg_pool: {keep: true}
        - sigmoid:
          name: gate
        - identity:
          from: input
        - multiply: {with: [gate]}
        """

    def kept_by_merge(
        self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]
    ) -> Kept:
        return Kept()

    def torch_merge(self, site: Site, inputs: int) -> list[Step]:
        return [site.operator("*")]


class Average(Elementwise):
    """The mean of its inputs, number by number.

    Shapes: equal ones -> the same.
    """

    op = "average"
    keras_layer = "Average"
    example = """
        - conv: {filters: 8, kernel: 1}
          name: left
        - conv: {filters: 8, kernel: 3, padding: 1}
          from: input
        - average: {with: [left]}
        """

    def kept_by_merge(
        self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]
    ) -> Kept:
        return Kept(inputs=False)

    def torch_merge(self, site: Site, inputs: int) -> list[Step]:
        return [site.call_list("torch.stack"), site.method("mean", 0)]


class Maximum(Elementwise):
    """The largest of its inputs, number by number.

    Shapes: equal ones -> the same.
    """

    op = "maximum"
    keras_layer = "Maximum"
    example = """
        - conv: {filters: 8, kernel: 1}
          name: left
        - conv: {filters: 8, kernel: 3, padding: 1}
          from: input
        - maximum: {with: [left]}
        """

    def kept_by_merge(
        self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]
    ) -> Kept:
        if len(inputs) == 2:
            return Kept()
        stacked = sum(shape.elements for shape in inputs)
        return Kept(inputs=False, outputs=True, numbers=stacked)

    def torch_merge(self, site: Site, inputs: int) -> list[Step]:
        if inputs == 2:
            return [site.call("torch.maximum")]
        return [site.call_list("torch.stack"), site.method("amax", 0)]


class Concat(Merge):
    """Its inputs one behind the other along the channels (features).

    Shapes: (C1, H, W), (C2, H, W) -> (C1 + C2, H, W); (F1), (F2) -> (F1 + F2);
    (L, F1), (L, F2) -> (L, F1 + F2).
    """

    op = "concat"
    example = """
        - conv: {filters: 8, kernel: 3, padding: 1}
          name: skip
        - relu
        - conv: {filters: 16, kernel: 3, padding: 1}
        - concat: {with: [skip]}
        """

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        first, total = inputs[0], 0
        for port, shape in enumerate(inputs):
            need(self.op, shape, NUMERIC, port)
            if shape.layout != first.layout or _others(shape) != _others(first):
                raise Misfit(_unjoinable(first, shape, port))
            total += shape.channels or 0
        if first.layout == MAPS:
            return (Shape(MAPS, (total, *first.spatial)),)
        return (Shape(first.layout, (*first.sizes[:-1], total)),)

    def torch_merge(self, site: Site, inputs: int) -> list[Step]:
        sequence = site.common(
            lambda i: i.inputs[0].layout == SEQUENCE, "the kind of input"
        )
        return [site.call_list("torch.cat", dim=-1 if sequence else 1)]

    def keras_merge(self, site: Site) -> Step:
        return site.layer("layers.Concatenate")


def _others(shape: Shape) -> tuple[int, ...]:
    """All sizes but the channels."""
    return shape.spatial if shape.layout == MAPS else shape.sizes[:-1]


def _unequal(
    op: str, first: Shape, shape: Shape, port: int, broadcasts: bool
) -> Remark:
    """CS306 of a merge number by number."""
    wanted = f"takes {describe(first)}"
    if broadcasts and first.rank and set(shape.spatial) == {1}:
        wanted += f" or {'x'.join(map(str, (first.sizes[0], *(1,) * first.rank)))}"
    help = None
    kinds = {first.layout: first, shape.layout: shape}
    if (
        broadcasts
        and set(kinds) == {MAPS, VECTOR}
        and (kinds[MAPS].channels == kinds[VECTOR].channels)
    ):
        help = "`global_avg_pool: {keep: true}` gives maps of extent 1, which spread"
    elif first.channels == shape.channels:
        help = _fitting(first, shape)
    return _unmergeable(op, first, shape, port, wanted, help)


def _unjoinable(first: Shape, shape: Shape, port: int) -> Remark:
    """CS306 of a concatenation."""
    if shape.layout != first.layout:
        return _unmergeable(
            "concat", first, shape, port, f"takes {describe(first)}", None
        )
    sizes = list(map(str, first.sizes))
    sizes[0 if first.layout == MAPS else -1] = "C"
    wanted = f"takes {'x'.join(sizes)} with any C"
    return _unmergeable("concat", first, shape, port, wanted, _fitting(first, shape))


def _fitting(first: Shape, shape: Shape) -> str | None:
    """What makes maps of two extents alike."""
    if (
        not first.rank
        or first.rank != shape.rank
        or 1 in (*first.spatial, *shape.spatial)
    ):
        return None
    return (
        "`crop: {like: …}` cuts the larger one to the other's extent, "
        "`upsample: {like: …}` stretches the smaller one"
    )


def _unmergeable(
    op: str, first: Shape, shape: Shape, port: int, wanted: str, help: str | None
) -> Remark:
    if first.layout == shape.layout and first.rank == shape.rank:
        pair = f"{first} and {shape}"
    else:
        pair = f"{describe(first)} and {describe(shape)}"
    return Remark(
        "CS306",
        f"`{op}` can't merge {pair}",
        f"gets {shape}, {wanted}",
        port=port,
        help=help,
    )
