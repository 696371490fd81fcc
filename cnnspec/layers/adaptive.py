"""Pooling to a given extent: maps of any size enter, one number or a fixed grid per map leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cnnspec.fields import Boolean, PerAxis
from cnnspec.layers.layer import EVERYWHERE, INDEX, Kept, Layer, Reach, only
from cnnspec.layers.window import along_axes
from cnnspec.shapes import MAPS, SEQUENCE, Shape, maps, vector

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step

# Keras' own layers also pool by windows of a pixel more than they need.
KERAS_WINDOWS = '''\
def adaptive_{word}_pool(x, size):
    """Pools to that size; in Keras' own layer no window may span an axis."""
    for axis, count in enumerate(size, start=1):
        extent, parts = x.shape[axis], []
        for i in range(count):
            window = range(i * extent // count, -(-(i + 1) * extent // count))
            pixels = ops.take(x, list(window), axis=axis)
            parts.append(ops.{word}(pixels, axis=axis, keepdims=True))
        x = ops.concatenate(parts, axis=axis)
    return x
'''


class GlobalPool(Layer):
    """What the mean and the largest number of a whole map share."""

    torch_method: ClassVar[str]
    keras_layer: ClassVar[str]
    __slots__ = ()

    keep = Boolean(False, doc="Keeps the axes that are pooled, each of extent 1.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, (MAPS, SEQUENCE))
        size = shape.sizes[0] if shape.layout == MAPS else shape.sizes[-1]
        if not self.keep:
            return (vector(size),)
        if shape.layout == SEQUENCE:
            return (Shape(SEQUENCE, (1, size)),)
        return (maps(size, *(1,) * shape.rank),)

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        return EVERYWHERE

    def pytorch(self, site: Site) -> list[Step]:
        axes = tuple(range(2, 2 + site.rank)) or (1,)  # of a sequence (N, L, F): 1
        keep = site.unless(False, keepdim=site.field("keep"))
        axis = axes if len(axes) > 1 else axes[0]
        return [site.method(self.torch_method, axis, **keep)]

    def keras(self, site: Site) -> list[Step]:
        keep = site.unless(False, keepdims=site.field("keep"))
        # A sequence (N, L, F) is laid out as a signal with its channels last.
        return [site.layer(f"layers.{self.keras_layer}{site.rank or 1}D", **keep)]


class GlobalAvgPool(GlobalPool):
    """The mean of each map; of a sequence, each feature's mean over the positions.

    Shapes: (C, H, W) -> (C), with `keep` (C, 1, 1); (L, F) -> (F), with `keep` (1, F).
    Source: Lin, Chen and Yan, "Network in network", 2013.
    """

    op = "global_avg_pool"
    torch_method = "mean"
    keras_layer = "GlobalAveragePooling"
    example = "- global_avg_pool"

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(inputs=False)


class GlobalMaxPool(GlobalPool):
    """The largest number of each map; of a sequence, each feature's largest over the positions.

    Shapes: (C, H, W) -> (C), with `keep` (C, 1, 1); (L, F) -> (F), with `keep` (1, F).
    """

    op = "global_max_pool"
    torch_method = "amax"
    keras_layer = "GlobalMaxPooling"
    example = "- global_max_pool"

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(outputs=True)


class AdaptivePool(Layer):
    """What adaptive average and max pooling share."""

    # The first version with these layers:
    versions: ClassVar[dict[str, str]] = {"keras": "3.13"}
    torch_function: ClassVar[str]
    keras_layers: ClassVar[tuple[str, str]]  # to that size, and to one number
    keras_word: ClassVar[str]
    __slots__ = ()

    size = PerAxis(doc="Extent H' of the output, whatever the input's.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, (MAPS,))
        return (maps(shape.sizes[0], *along_axes("size", self.size, shape.rank)),)

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        (shape,) = inputs
        sizes = along_axes("size", self.size, shape.rank)
        if any(
            extent % size for extent, size in zip(shape.spatial, sizes, strict=True)
        ):
            return EVERYWHERE  # windows of different extents: none is the one
        extents = tuple(e // s for e, s in zip(shape.spatial, sizes, strict=True))
        return Reach(extents, extents)

    def pytorch(self, site: Site) -> list[Step]:
        function = f"F.{self.torch_function}{site.rank}d"
        return [site.call(function, site.field("size"))]

    def keras(self, site: Site) -> list[Step]:
        adaptive, whole = (f"layers.{name}{site.rank}D" for name in self.keras_layers)
        if all(set(_sizes(i)) == {1} for i in site.instances):
            return [site.layer(whole, keepdims=True)]
        if not any(map(_spans_an_axis, site.instances)):
            return [site.layer(adaptive, site.field("size"))]
        source = KERAS_WINDOWS.format(word=self.keras_word)
        function = site.helper(f"adaptive_{self.keras_word}_pool", source)
        return [site.call(function, site.number(_sizes, site.field("size")))]


def _sizes(instance: Instance) -> tuple[int, ...]:
    return instance.outputs[0].spatial


def _spans_an_axis(instance: Instance) -> bool:
    """Whether a window does: along an axis of extent 1 each one."""
    return 1 in (*_sizes(instance), *instance.inputs[0].spatial)


class AdaptiveAvgPool(AdaptivePool):
    """The means of H' x W' windows that cover each map, whatever its extent.

    Window i of H' spans the rows from floor(i H/H') to ceil((i + 1) H/H'): windows are equal
    where H' divides H, and may overlap where it does not.

    Shapes: (C, H, W) -> (C, H', W').
    Source: PyTorch's AdaptiveAveragePooling.cpp for the windows.
    """

    op = "adaptive_avg_pool"
    torch_function = "adaptive_avg_pool"
    keras_layers = ("AdaptiveAveragePooling", "GlobalAveragePooling")
    keras_word = "mean"
    example = "- adaptive_avg_pool: {size: 7}"


class AdaptiveMaxPool(AdaptivePool):
    """The largest numbers of H' x W' windows that cover each map, whatever its extent.

    Window i of H' spans the rows from floor(i H/H') to ceil((i + 1) H/H'): windows are equal
    where H' divides H, and may overlap where it does not.

    Shapes: (C, H, W) -> (C, H', W').
    Source: PyTorch's AdaptiveMaxPooling2d.cpp for the windows.
    """

    op = "adaptive_max_pool"
    torch_function = "adaptive_max_pool"
    keras_layers = ("AdaptiveMaxPooling", "GlobalMaxPooling")
    keras_word = "max"
    example = "- adaptive_max_pool: {size: 7}"

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(bytes=INDEX * outputs[0].elements)
