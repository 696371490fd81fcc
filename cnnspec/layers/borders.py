"""Borders: maps enter, the same maps with pixels added or cut off around them leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.extents import Sides
from cnnspec.fields import Choice, LayerName, Number
from cnnspec.layers.faults import AXES
from cnnspec.layers.layer import (
    EVERYWHERE,
    Kept,
    Layer,
    Misfit,
    Reach,
    Remark,
    Remedy,
    need,
    only,
)
from cnnspec.layers.padding import keras_order, torch_order
from cnnspec.layers.resize import exactly_one, extents_of, with_extent
from cnnspec.layers.window import along_sides
from cnnspec.shapes import MAPS, Shape, maps

if TYPE_CHECKING:
    from cnnspec.emit.call import Code
    from cnnspec.emit.site import Instance, Site, Step, Value

CONSTANT, REFLECT, REPLICATE = "constant", "reflect", "replicate"

KERAS_REPLICATE = '''\
def pad_edges(x, sides):
    """Repeats the outermost pixels, for which ops.pad has no mode."""
    for axis, (before, after) in enumerate(sides, start=1):
        last = x.shape[axis] - 1
        pixels = range(-before, last + 1 + after)
        x = ops.take(x, [min(max(pixel, 0), last) for pixel in pixels], axis=axis)
    return x
'''
TORCH_CENTRE = '''\
def center_crop(x, size):
    """The middle of x; of an odd number of pixels to cut one more goes at the end."""
    for axis, extent in enumerate(size, start=2):
        x = x.narrow(axis, (x.shape[axis] - extent) // 2, extent)
    return x
'''
KERAS_CENTRE = '''\
def center_crop(x, size):
    """The middle of x; of an odd number of pixels to cut one more goes at the end."""
    starts = [(have - extent) // 2 for have, extent in zip(x.shape[1:], size)]
    middle = [slice(start, start + n) for start, n in zip(starts, size)]
    return x[(slice(None), *middle)]
'''


class Pad(Layer):
    """Adds pixels around each map: a constant, the map's mirror image or its outermost pixels.

    `reflect` mirrors the map at its outermost pixels, which are not repeated: a row 1 2 3 padded
    by 2 becomes 3 2 1 2 3 2 1. `replicate` repeats them: 1 1 1 2 3 3 3.

    Shapes: (C, H, W) -> (C, H + top + bottom, W + left + right).
    """

    op = "pad"
    example = "- pad: {padding: 3, mode: reflect}"

    padding = Sides(
        doc="Pixels to add: a number for all sides, one per axis, or before and after for each "
        "axis.",
        unit="pixels",
    )
    mode = Choice(
        CONSTANT, REFLECT, REPLICATE, default=CONSTANT, doc="What the pixels hold."
    )
    value = Number(0, samples=[0, 1, -0.5], doc="The number that `constant` pads with.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, (MAPS,))
        sides = along_sides("padding", self.values["padding"], shape.rank)
        if self.value and self.mode != CONSTANT:
            raise Misfit(_no_value(self.mode))
        if self.mode == REFLECT and any(
            max(pair) >= size for pair, size in zip(sides, shape.spatial, strict=True)
        ):
            raise Misfit(_no_mirror(shape, sides))
        sizes = zip(shape.spatial, sides, strict=True)
        return (maps(shape.sizes[0], *(size + sum(pair) for size, pair in sizes)),)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(inputs=False)

    def pytorch(self, site: Site) -> list[Step]:
        sides = site.number(
            lambda i: torch_order(_sides(i)), *_for_all(site, "padding", 2 * site.rank)
        )
        mode = site.unless(CONSTANT, mode=site.field("mode"))
        value = site.unless(0, value=site.field("value"))
        return [site.call("F.pad", sides, **mode, **value)]

    def keras(self, site: Site) -> list[Step]:
        mode = site.common(lambda i: i.layer.values["mode"], "the mode", "mode")
        value = site.unless(0, constant_values=site.field("value"))
        if mode == CONSTANT and not value:
            amounts = _keras_amounts(site, "padding")
            return [site.layer(f"layers.ZeroPadding{site.rank}D", amounts)]
        pairs = [(n, n) for n in _for_all(site, "padding", 1)]
        if mode == REPLICATE:
            sides = site.number(_sides, *((pair,) * site.rank for pair in pairs))
            return [site.call(site.helper("pad_edges", KERAS_REPLICATE), sides)]
        sides = site.number(
            lambda i: keras_order(_sides(i)),
            *(keras_order((pair,) * site.rank) for pair in pairs),
        )
        options = value if mode == CONSTANT else {"mode": mode}
        return [site.call("ops.pad", sides, **options)]


class Crop(Layer):
    """Cuts pixels off around each map: given amounts, or so many that the middle is left.

    With `like` the middle that is left has the extent of that layer's maps; of an odd number of
    rows to cut, one more goes at the bottom.

    Shapes: (C, H, W) -> (C, H - top - bottom, W - left - right), or (C, extent of `like`).
    Source: Ronneberger, Fischer and Brox, "U-Net", 2015.
    """

    op = "crop"
    arity = (1, 2)
    takes_extent = True
    example = "- crop: {cropping: 2}"

    cropping = Sides(
        None,
        doc="Pixels to cut off: a number for all sides, one per axis, or before and after for "
        "each axis.",
        unit="pixels",
    )
    like = LayerName(None, doc="Name of an earlier layer with the extent that is left.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = inputs[0]
        need(self.op, shape, (MAPS,))
        exactly_one(self, ("cropping", "like"))
        if len(inputs) == 2:
            sizes = extents_of(self.op, shape, inputs[1])
            if any(n > size for n, size in zip(sizes, shape.spatial, strict=True)):
                raise Misfit(_smaller(shape, inputs[1]))
            return (maps(shape.sizes[0], *sizes),)
        sides = along_sides("cropping", self.values["cropping"], shape.rank)
        left = [n - sum(pair) for n, pair in zip(shape.spatial, sides, strict=True)]
        if min(left) < 1:
            raise Misfit(_nothing_left(shape, left))
        return (maps(shape.sizes[0], *left),)

    def reach(self, inputs: tuple[Shape, ...]) -> Reach | None:
        return EVERYWHERE if len(inputs) > 1 else None  # that input's field is another

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(inputs=False, in_place=True)

    def pytorch(self, site: Site) -> list[Step]:
        if _is_like(site):
            crop = site.call(site.helper("center_crop", TORCH_CENTRE))
            return [with_extent(crop, "2:")]
        from cnnspec.emit.render import used_names
        from cnnspec.expressions import Expr, Unary

        numbers = _for_all(site, "cropping", 1)
        less = [Unary("-", n) for n in numbers if isinstance(n, Expr)]
        taken = site.number(
            lambda i: tuple(-n for n in torch_order(_sides(i))),
            *((n,) * (2 * site.rank) for n in less),
        )
        if used_names(taken):
            return [site.call("F.pad", taken)]
        return _sliced(_sides(site.instances[0]))

    def keras(self, site: Site) -> list[Step]:
        if _is_like(site):
            crop = site.call(site.helper("center_crop", KERAS_CENTRE))
            return [with_extent(crop, "1:-1")]
        amounts = _keras_amounts(site, "cropping")
        return [site.layer(f"layers.Cropping{site.rank}D", amounts)]


def _is_like(site: Site) -> bool:
    return site.instances[0].layer.values["like"] is not None


def _sides(instance: Instance) -> tuple[tuple[int, int], ...]:
    """What is added or cut before and after, by axis."""
    values = instance.layer.values
    field = "padding" if "padding" in values else "cropping"
    return along_sides(field, values[field], instance.inputs[0].rank)


def _for_all(site: Site, field: str, count: int) -> list[Value]:
    """The field so many times, where it is one number for all sides."""
    value = site.field(field)
    if any(not isinstance(i.layer.values[field], int) for i in site.instances):
        return []
    return [value if count == 1 else (value,) * count]


def _keras_amounts(site: Site, field: str) -> Value:
    """As the layers take it: a number, one per axis, or pairs; of a signal a number or a pair."""

    def amounts(instance: Instance) -> Value:
        value, sides = instance.layer.values[field], _sides(instance)
        if len(sides) == 1:
            return value if isinstance(value, int) else sides[0]
        return sides if isinstance(value, tuple) and len(value) > len(sides) else value

    return site.number(amounts, site.field(field))


def _sliced(sides: tuple[tuple[int, int], ...]) -> list[Step]:
    """`x[:, :, 1:-1, 2:]`; no step where nothing is cut."""
    from cnnspec.emit.call import one_line
    from cnnspec.emit.site import Step

    slices = [f"{before or ''}:{-after or ''}" for before, after in sides]
    while slices and slices[-1] == ":":
        slices.pop()
    if not slices:
        return []
    index = ", ".join([":", ":", *slices])

    def apply(x: Code) -> Code:
        return f"{one_line(x)}[{index}]"

    return [Step(apply)]


def _no_value(mode: str) -> Remark:
    """CS340: a number to pad with, where it is not asked for."""
    return Remark(
        "CS340",
        "`value` is what `mode: constant` pads with",
        f"the mode is `{mode}`",
        field="value",
        help="leave `value` out",
        remedies=(Remedy({"mode": CONSTANT}, f"mode {CONSTANT}"),),
    )


def _no_mirror(shape: Shape, sides: tuple[tuple[int, int], ...]) -> Remark:
    """CS341: more pixels than the map has beside its outermost one."""
    wide = [
        f"pads {max(pair)} on {axis} {size}"
        for axis, size, pair in zip(AXES[shape.rank], shape.spatial, sides, strict=True)
        if max(pair) >= size
    ]
    most = min(shape.spatial) - 1
    return Remark(
        "CS341",
        "`reflect` takes a padding smaller than the extent",
        ", ".join(wide),
        field="padding",
        port=0,
        remedies=(
            Remedy({"padding": most}, f"padding {most}"),
            Remedy({"mode": REPLICATE}, f"mode {REPLICATE}"),
        ),
    )


def _nothing_left(shape: Shape, left: list[int]) -> Remark:
    """CS342: as many pixels are cut as there are, or more."""
    cut = [
        f"{axis} {size}"
        for axis, size, rest in zip(AXES[shape.rank], shape.spatial, left, strict=True)
        if rest < 1
    ]
    most = (min(shape.spatial) - 1) // 2
    return Remark(
        "CS342",
        f"`crop` leaves nothing of {' and '.join(cut)}",
        f"gets {shape}",
        field="cropping",
        port=0,
        remedies=(Remedy({"cropping": most}, f"cropping {most}"),),
    )


def _smaller(shape: Shape, like: Shape) -> Remark:
    """CS342: the extent to crop to is larger than what there is."""
    return Remark(
        "CS342",
        "`crop` can't reach an extent that is larger than its input",
        f"gets {shape}, `like` names {like}",
        field="like",
        port=1,
        help="crop the larger of the two, or `upsample` with `like`",
    )
