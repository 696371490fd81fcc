"""Reshape: all numbers of any shape enter, the same numbers under other sizes leave."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from cnnspec.extents import REST, Size
from cnnspec.layers.faults import divisors_near
from cnnspec.layers.layer import (
    EVERYWHERE,
    NUMERIC,
    VIEW,
    Kept,
    Layer,
    Misfit,
    Reach,
    Remark,
    Remedy,
    only,
)
from cnnspec.shapes import MAPS, SEQUENCE, VECTOR, Shape, describe

if TYPE_CHECKING:
    from cnnspec.emit.call import Code
    from cnnspec.emit.site import Instance, Site, Step, Value

FORMS = {
    ("channels", "height", "width"): MAPS,
    ("channels", "length"): MAPS,
    ("channels", "depth", "height", "width"): MAPS,
    ("features",): VECTOR,
    ("length", "features"): SEQUENCE,
}  # which sizes make which shape, in the shape's order


class Reshape(Layer):
    """The same numbers in the same order under other sizes, which are named as in `input`.

    The order is channel by channel, in each row by row; of a sequence position by position. The
    names decide what comes out: `{channels, height, width}` an image, `{channels, length}` a
    signal, `{channels, depth, height, width}` a volume, `{features}` a vector and
    `{length, features}` a sequence. One of the sizes may be -1: it is what the others leave.

    Shapes: any -> the given sizes, of which there are as many numbers.
    """

    op = "reshape"
    example = "- reshape: {channels: 64, length: -1}"

    channels = Size(doc="Channels C of maps.")
    depth = Size(doc="Slices D of a volume.")
    height = Size(doc="Rows H.")
    width = Size(doc="Columns W.")
    length = Size(doc="Samples L of a signal, or positions L of a sequence.")
    features = Size(doc="Numbers F of a vector, or of each position of a sequence.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, NUMERIC)
        names = self.form()
        sizes = [self.values[name] for name in names]
        if sizes.count(REST) > 1:
            raise Misfit(_two_rests(names, sizes))
        known = prod(size for size in sizes if size != REST)
        if shape.elements % known or (REST not in sizes and shape.elements != known):
            raise Misfit(_other_count(shape, names, sizes))
        rest = shape.elements // known
        found = tuple(rest if size == REST else size for size in sizes)
        return (Shape(FORMS[names], found),)

    def form(self) -> tuple[str, ...]:
        """The names of the sizes in their order; raises Misfit (CS343)."""
        given = {name for name, value in self.values.items() if value is not None}
        for names in FORMS:
            if set(names) == given:
                return names
        raise Misfit(_no_form(given))

    def remarks(self, inputs: tuple[Shape, ...]) -> list[Remark]:
        (shape,) = inputs
        (made,) = self.infer(inputs)
        if shape.rank and made.layout == SEQUENCE and made.channels == shape.channels:
            return [_scrambled(shape)]
        return []

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        return EVERYWHERE

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return VIEW

    def pytorch(self, site: Site) -> list[Step]:
        names = _form(site)
        if all(_joins_positions(i) for i in site.instances):
            first = 2 if names[0] == "channels" else 1
            return [site.method("flatten", first)]
        sizes = [site.field(name) for name in names]
        if any(REST in _given(i) for i in site.instances):
            return [_keeping_batch(site.method("reshape", *sizes))]
        return [site.method("reshape", REST, *sizes)]

    def keras(self, site: Site) -> list[Step]:
        names = _form(site)
        sizes: list[Value] = [site.field(name) for name in names]
        if FORMS[names] == VECTOR and all(_joins_positions(i) for i in site.instances):
            return [*_channels_first(site), site.layer("layers.Flatten")]
        if FORMS[names] != MAPS:
            return [*_channels_first(site), site.layer("layers.Reshape", tuple(sizes))]
        last = (*sizes[1:], sizes[0])
        if all(_keeps_channels(i) for i in site.instances):
            return [site.layer("layers.Reshape", last)]
        before = _channels_first(site)
        if all(_is_flat(i.outputs[0]) for i in site.instances):
            return [*before, site.layer("layers.Reshape", last)]
        back = (*range(2, len(names) + 1), 1)
        return [
            *before,
            site.layer("layers.Reshape", tuple(sizes)),
            site.layer("layers.Permute", back, suffix="channels_last"),
        ]


def _form(site: Site) -> tuple[str, ...]:
    """Which sizes are given is the same in all instances."""
    layer = site.instances[0].layer
    assert isinstance(layer, Reshape)
    return layer.form()


def _given(instance: Instance) -> list[int]:
    return [value for value in instance.layer.values.values() if value is not None]


def _scrambled(shape: Shape) -> Remark:
    """CS441: numbers stand channel by channel, so a position would be a piece of a map."""
    return Remark(
        "CS441",
        "each position of this sequence is a piece of one map, not a pixel's channels",
        f"gets {shape}",
        port=0,
        help=f"write `reshape: {{channels: {shape.channels}, length: -1}}`, then "
        "`permute: {axes: [1, 0]}`",
    )


def _is_flat(shape: Shape) -> bool:
    """Whether the numbers stand in one order, wherever the channels are."""
    return shape.layout != MAPS or shape.sizes[0] == 1 or prod(shape.spatial) == 1


def _keeps_channels(instance: Instance) -> bool:
    """Whether only positions change: then it is the same with the channels last."""
    before, after = instance.inputs[0], instance.outputs[0]
    if before.layout == after.layout == MAPS:
        return before.sizes[0] == after.sizes[0]
    return _is_flat(before) and _is_flat(after)


def _joins_positions(instance: Instance) -> bool:
    """Whether it is `flatten` under another name: -1 for all axes, or all but the channels."""
    before, values = instance.inputs[0], instance.layer.values
    if values["features"] == REST and values["length"] is None:
        return True
    return (
        values["length"] == REST
        and values["channels"] is not None
        and before.layout == MAPS
        and before.sizes[0] == values["channels"]
    )


def _channels_first(site: Site) -> list[Step]:
    """Maps are brought into the language's order, where that is another."""
    if all(_is_flat(i.inputs[0]) for i in site.instances):
        return []
    order = (site.rank + 1, *range(1, site.rank + 1))  # 0 would be the batch
    return [site.layer("layers.Permute", order, suffix="permute")]


def _keeping_batch(reshape: Step) -> Step:
    """`x.reshape(x.shape[0], ...)`: the -1 is taken by another axis."""
    from cnnspec.emit.call import Call, one_line

    def apply(x: Code) -> Code:
        made = reshape.apply(x)
        assert isinstance(made, Call)
        return made._replace(args=(f"{one_line(x)}.shape[0]", *made.args))

    return reshape._replace(apply=apply)


def _no_form(given: set[str]) -> Remark:
    """CS343: no shape has these sizes."""
    forms = ", ".join(f"{{{', '.join(names)}}}" for names in FORMS)
    has = ", ".join(f"`{name}`" for name in Reshape.fields if name in given)
    return Remark(
        "CS343",
        "`reshape` takes the sizes of one kind of shape",
        f"has {has}" if has else "has none",
        help=f"one of {forms}",
    )


def _two_rests(names: tuple[str, ...], sizes: list[int]) -> Remark:
    """CS343: the numbers can't be shared out."""
    rests = [name for name, size in zip(names, sizes, strict=True) if size == REST]
    return Remark(
        "CS343",
        "`reshape` computes one size, not several",
        f"-1 for {' and '.join(f'`{name}`' for name in rests)}",
        field=rests[-1],
        help="give all sizes but one",
    )


def _other_count(shape: Shape, names: tuple[str, ...], sizes: list[int]) -> Remark:
    """CS343: the sizes hold another number of numbers."""
    held = prod(size for size in sizes if size != REST)
    is_open = REST in sizes
    remedies = []
    for name, size in zip(names, sizes, strict=True):
        others = held // size
        if size == REST or shape.elements % others:
            continue
        fitting = shape.elements // others
        found = divisors_near(fitting, size)[:2] if is_open else [fitting]
        remedies += [Remedy({name: n}, f"{name} {n}") for n in found]
    product = "x".join(str(size) for size in sizes if size != REST)
    return Remark(
        "CS343",
        f"{shape.elements} numbers do not fill {product}"
        if not is_open
        else f"{shape.elements} numbers can't be divided by {product}",
        f"gets {describe(shape)}" + ("" if is_open else f", the sizes hold {held}"),
        port=0,
        remedies=tuple(remedies),
        help="make the other sizes divide the number of numbers"
        if is_open
        else "leave one size to be computed: -1",
    )
