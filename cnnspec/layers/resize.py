"""Upsampling: maps enter, the same number of maps of another extent leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.fields import Choice, LayerName, PerAxis
from cnnspec.layers.layer import EVERYWHERE, Kept, Layer, Misfit, Reach, Remark, need
from cnnspec.layers.window import along_axes
from cnnspec.shapes import MAPS, NOUNS, Shape, describe, maps

if TYPE_CHECKING:
    from cnnspec.emit.call import Code
    from cnnspec.emit.site import Instance, Site, Step, Value

NEAREST, BILINEAR = "nearest", "bilinear"
WAYS = ("scale", "size", "like")  # to say the output's extent

RESIZE = {
    1: '''\
def resize1d(x, size, interpolation):
    """ops.image.resize of a signal, as an image one pixel wide."""
    (length,) = size
    x = ops.expand_dims(x, 2)
    x = ops.image.resize(x, (length, 1), interpolation=interpolation)
    return ops.squeeze(x, 2)
''',
    3: '''\
def resize3d(x, size, interpolation):
    """ops.image.resize knows two axes: the depth first, then each slice."""
    _, depth, height, width, channels = x.shape
    x = ops.reshape(x, (-1, depth, height * width, channels))
    x = ops.image.resize(x, (size[0], height * width), interpolation=interpolation)
    x = ops.reshape(x, (-1, height, width, channels))
    x = ops.image.resize(x, size[1:], interpolation=interpolation)
    return ops.reshape(x, (-1, *size, channels))
''',
}
SCALED = '''\
def scaled(x, scale):
    """The extent of x, so many times as large along each axis."""
    return tuple(scale * size for size in x.shape[1:-1])
'''
TORCH_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Upsample(Layer):
    """Maps of another extent: each output pixel reads the input at its own centre.

    The centre of output pixel i of H' lies at (i + 1/2) H/H' of the input. `nearest` takes the
    pixel there: with `scale` each pixel is repeated. `bilinear` weighs the pixels around by
    their distance, along each axis (so it is linear on signals, trilinear on volumes); at the
    border the outermost pixel goes on. PyTorch calls this `align_corners=False`, and for
    `nearest` `nearest-exact`. A smaller extent leaves pixels out: pool instead.

    Shapes: (C, H, W) -> (C, H', W') with H' = scale x H, `size`, or the extent of `like`.
    """

    op = "upsample"
    arity = (1, 2)
    takes_extent = True
    example = "- upsample: {scale: 2, method: bilinear}"

    scale = PerAxis(None, doc="Factor by which each axis grows.", unit="")
    size = PerAxis(None, doc="Extent of the output.")
    like = LayerName(
        None, doc="Name of an earlier layer with the extent of the output."
    )
    method = Choice(
        NEAREST,
        BILINEAR,
        default=NEAREST,
        doc="Where the numbers between pixels come from.",
    )

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = inputs[0]
        need(self.op, shape, (MAPS,))
        exactly_one(self, WAYS)
        return (maps(shape.sizes[0], *self._extents(inputs)),)

    def _extents(self, inputs: tuple[Shape, ...]) -> tuple[int, ...]:
        (shape, *likes), values = inputs, self.values
        if likes:
            return extents_of(self.op, shape, likes[0])
        if values["size"] is not None:
            return along_axes("size", values["size"], shape.rank)
        scales = along_axes("scale", values["scale"], shape.rank)
        return tuple(e * s for e, s in zip(shape.spatial, scales, strict=True))

    def remarks(self, inputs: tuple[Shape, ...]) -> list[Remark]:
        before, after = inputs[0].spatial, self._extents(inputs)
        if all(new >= old for old, new in zip(before, after, strict=True)):
            return []
        way = "size" if self.values["size"] is not None else "like"
        return [_shrinks(inputs[0], after, way)]

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        return EVERYWHERE  # a step of a part of a pixel is no whole number

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(inputs=False)

    def pytorch(self, site: Site) -> list[Step]:
        mode: dict[str, Value] = {
            "mode": site.number(_torch_mode, site.field("method"))
        }
        if all(_method(i) == BILINEAR for i in site.instances):
            mode["align_corners"] = False
        way = _way(site)
        if way == "like":
            resize = site.call("F.interpolate", **mode)
            return [with_extent(resize, "2:")]
        name = "scale_factor" if way == "scale" else "size"
        return [site.call("F.interpolate", **{name: site.field(way)}, **mode)]

    def keras(self, site: Site) -> list[Step]:
        from cnnspec.emit.site import Step

        rank, way = site.rank, _way(site)
        nearest = all(_method(i) == NEAREST for i in site.instances)
        if way == "scale" and (nearest or rank == 2):
            # Only the layer of images has the argument; nearest is its default.
            interpolation = {} if nearest else {"interpolation": site.field("method")}
            layer = f"layers.UpSampling{rank}D"
            return [site.layer(layer, _keras_scale(site), **interpolation)]
        function = "ops.image.resize"
        if rank != 2:
            function = site.helper(f"resize{rank}d", RESIZE[rank])
        method = {"interpolation": site.field("method")}
        if way == "like":
            return [with_extent(site.call(function, **method), "1:-1")]
        if way == "scale" and all(_is_one(i) for i in site.instances):
            resize = site.call(function, **method)
            scaled = site.call(site.helper("scaled", SCALED), site.field("scale"))
            return [Step(lambda x: resize.apply(x, scaled.apply(x)))]
        field = site.field(way)
        size = site.number(_extents, *([] if way == "scale" else [(field,) * rank]))
        return [site.call(function, size, **method)]


def exactly_one(layer: Layer, names: tuple[str, ...]) -> None:
    """Raises Misfit (CS340) where not exactly one of the fields is given."""
    given = [name for name in names if layer.values[name] is not None]
    if len(given) == 1:
        return
    *firsts, last = (f"`{name}`" for name in names)
    raise Misfit(
        Remark(
            "CS340",
            f"`{layer.op}` takes one of {', '.join(firsts)} and {last}",
            f"has {' and '.join(f'`{name}`' for name in given) or 'none'}",
            field=given[-1] if given else None,
            help="leave all but one out" if given else f"add `{names[0]}: 2`",
        )
    )


def extents_of(op: str, shape: Shape, like: Shape) -> tuple[int, ...]:
    """Those of another layer's maps; raises Misfit (CS302) where it has other axes."""
    need(op, like, (MAPS,), port=1)
    if like.rank != shape.rank:
        wanted = NOUNS[MAPS]
        assert isinstance(wanted, dict)
        raise Misfit(
            Remark(
                "CS302",
                f"`like` must name {wanted[shape.rank]} for {describe(shape)}",
                f"names {describe(like)}",
                field="like",
                port=1,
            )
        )
    return like.spatial


def _shrinks(shape: Shape, after: tuple[int, ...], field: str) -> Remark:
    """CS440: an axis gets smaller."""
    extent = "x".join(map(str, after))
    help = "a factor is a `scale`; " if field == "size" else ""
    return Remark(
        "CS440",
        "upsampling makes the maps smaller, and leaves pixels out",
        f"gets {shape}, gives an extent of {extent}",
        field=field,
        port=0,
        help=f"{help}`avg_pool` or `adaptive_avg_pool` read every pixel",
    )


def with_extent(resize: Step, axes: str) -> Step:
    """The call with the extent of the layer that `like` names."""
    from cnnspec.emit.call import one_line

    def apply(x: Code, like: Code) -> Code:
        return resize.apply(x, f"{one_line(like)}.shape[{axes}]")

    return resize._replace(apply=apply)


def _way(site: Site) -> str:
    """The field that says the extent; which one is given no instance changes."""
    values = site.instances[0].layer.values
    return next(way for way in WAYS if values[way] is not None)


def _method(instance: Instance) -> str:
    method: str = instance.layer.values["method"]
    return method


def _torch_mode(instance: Instance) -> str:
    """`nearest` is off by half a pixel where the extents are no multiples."""
    if _method(instance) == BILINEAR:
        return TORCH_MODES[instance.inputs[0].rank]
    return NEAREST if instance.layer.values["scale"] is not None else "nearest-exact"


def _is_one(instance: Instance) -> bool:
    """Whether the scale is one number for all axes."""
    return isinstance(instance.layer.values["scale"], int)


def _extents(instance: Instance) -> tuple[int, ...]:
    return instance.outputs[0].spatial


def _keras_scale(site: Site) -> Value:
    """UpSampling1D takes no tuple."""
    field = site.field("scale")
    if site.rank > 1:
        return field

    def along_length(instance: Instance) -> int:
        (scale,) = along_axes("scale", instance.layer.values["scale"], 1)
        return scale

    return site.number(along_length, field)
