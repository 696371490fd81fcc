"""A site of convolution or pooling enters; how each framework is told its padding leaves.

PyTorch pads inside the operation where it can: equal sides, and for pooling at most half the
kernel. Keras knows only none and SAME_UPPER. What is left is padded before, explicitly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnspec import dims
from cnnspec.fields import Padding, spread
from cnnspec.layers.window import Sliding

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step, Value

Sides = tuple[tuple[int, int], ...]

PAD_SAME = '''\
def pad_same(x, kernel, stride=1, dilation=1, value=0.0):
    """Pads each axis for ceil(size / stride) windows, the odd pixel after."""
    sides = []
    for axis, size in enumerate(x.shape[2:]):
        k, s, d = (
            v if isinstance(v, int) else v[axis] for v in (kernel, stride, dilation)
        )
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        sides = [total // 2, total - total // 2, *sides]  # F.pad: last axis first
    return F.pad(x, sides, value=value)
'''


def sliding(instance: Instance) -> Sliding:
    assert isinstance(instance.layer, Sliding)
    return instance.layer


def windows_of(instance: Instance, covering: bool = False) -> tuple[dims.Window, ...]:
    """The resolved windows; `covering`: with the padding that makes floor do for ceil."""
    (shape,) = instance.inputs
    windows = sliding(instance).windows(shape)
    if covering and sliding(instance).values["rounding"] == dims.CEIL:
        return tuple(map(dims.covering, shape.spatial, windows))
    return windows


def sides_of(instance: Instance, covering: bool = False) -> Sides:
    """Padding before and after, by axis."""
    return tuple((w.before, w.after) for w in windows_of(instance, covering))


def pads(site: Site, covering: bool = False) -> bool:
    """Whether any instance has any padding."""
    return any(any(map(any, sides_of(i, covering))) for i in site.instances)


def equal_sides(instance: Instance, covering: bool = False) -> Any:
    """Padding as a number or one per axis, as the spec has it; None where sides differ."""
    sides = sides_of(instance, covering)
    if any(before != after for before, after in sides):
        return None
    amounts = tuple(before for before, _ in sides)
    if amounts == sliding(instance).values["padding"]:
        return amounts
    return amounts[0] if len(set(amounts)) == 1 else amounts


def one_number(site: Site) -> Value | None:
    """The padding field as a value, where it is one number in every instance."""
    numbers = all(type(i.layer.values["padding"]) is int for i in site.instances)
    return site.field("padding") if numbers else None


EVERY = '''\
def every{rank}d(x, {strides}):
    """Each stride-th pixel: Keras' convolution takes no stride with a dilation."""
    return x[:, {slices}]
'''
PAD_CEIL = '''\
def pad_ceil(x, kernel, stride, padding=0, value=0.0):
    """Pads each axis so far that its last, partial window is whole."""
    sides = []
    for axis, size in enumerate(x.shape[1:-1]):
        k, s = (v if isinstance(v, int) else v[axis] for v in (kernel, stride))
        last = -(-(size + 2 * padding - k) // s) * s  # where the last window starts
        if last >= size + padding:
            last -= s
        sides.append((padding, max(last + k - size - padding, 0)))
    return ops.pad(x, ((0, 0), *sides, (0, 0)), constant_values=value)
'''


def torch_padding(
    site: Site, inside: Callable[[Instance], Any], fill: float = 0.0
) -> tuple[list[Step], dict[str, Value]]:
    """What stands before the operation, and its own `padding`.

    Args:
        inside: the operation's own padding for an instance, None where it has no words for it.
        fill: what is padded with.
    """
    if not pads(site):
        none = site.number(
            inside, site.field("padding")
        )  # an argument of the block, or 0
        return [], {} if isinstance(none, (str, tuple)) else site.unless(
            0, padding=none
        )
    values = [inside(i) for i in site.instances]
    words = {i.layer.values["padding"] for i in site.instances}
    if None not in values and (words != {"same"} or len(set(values)) == 1):
        return [], {"padding": site.number(inside, site.field("padding"))}
    if None not in values and site.agreed(equal_sides):
        return [], {"padding": site.number(equal_sides)}
    value = {"value": fill} if fill else {}
    if words == {"same"} and not site.agreed(sides_of):
        return [_torch_pad_same(site, value)], {}

    def flat(instance: Instance) -> tuple[int, ...]:
        return torch_order(sides_of(instance, covering=True))

    number = one_number(site)
    candidates = [] if number is None else [(number,) * (2 * site.rank)]
    return [site.call("F.pad", site.number(flat, *candidates), **value)], {}


def torch_inside(instance: Instance) -> Any:
    """What nn.Conv takes as `padding`; its "same" has stride 1 only, and pads the odd after."""
    word = instance.layer.values["padding"]
    steps_of_one = all(w.stride == 1 for w in windows_of(instance))
    if word == "valid" or (word == "same" and steps_of_one):
        return word
    return equal_sides(instance)


def torch_order(sides: Sides) -> tuple[int, ...]:
    """As F.pad takes it: the last axis first."""
    return tuple(amount for pair in reversed(sides) for amount in pair)


def _torch_pad_same(site: Site, value: dict[str, Value]) -> Step:
    """The amounts depend on the input's size, which differs between instances."""
    layer = sliding(site.instances[0])
    dilation = (
        site.unless(1, dilation=site.field("dilation"))
        if "dilation" in layer.fields
        else {}
    )
    return site.call(
        site.helper("pad_same", PAD_SAME),
        site.field("kernel"),
        **site.unless(1, stride=stride_of(site)),
        **dilation,
        **value,
    )


def stride_of(site: Site) -> Value:
    """The stride; of pooling it is the kernel where it is not given."""

    def get(instance: Instance) -> Any:
        values = instance.layer.values
        return values["kernel"] if values["stride"] is None else values["stride"]

    return site.number(get, site.field("stride"), site.field("kernel"))


def is_same(instance: Instance, steps_of_one: bool = False) -> bool:
    """Whether the amounts are what Keras' "same" pads.

    `steps_of_one`: at stride 1, whatever the layer's own stride.
    """
    (shape,) = instance.inputs
    return all(
        (w.before, w.after)
        == dims.same(size, w.kernel, 1 if steps_of_one else w.stride, w.dilation)
        for size, w in zip(
            shape.spatial, windows_of(instance, covering=True), strict=True
        )
    )


def keras_word(site: Site, steps_of_one: bool = False) -> dict[str, Value] | None:
    """Keras' own `padding`; None where "valid" and "same" do not say it.

    In a volume "same" begins too late where the last window ends two pixels or more before the
    end: TensorFlow 2.21 pads by a negative number.
    """
    if not pads(site, covering=True):
        return {}
    if not steps_of_one and any(map(_ends_early, site.instances)):
        return None
    if all(is_same(i, steps_of_one) for i in site.instances):
        return {"padding": "same"}
    if steps_of_one or not all(_is_word(i) for i in site.instances):
        return None
    return {
        "padding": site.number(
            lambda i: i.layer.values["padding"], site.field("padding")
        )
    }


def _ends_early(instance: Instance) -> bool:
    (shape,) = instance.inputs
    return shape.rank == 3 and any(
        -(-size // w.stride) * w.stride - w.stride + (w.kernel - 1) * w.dilation + 1
        <= size - 2
        for size, w in zip(shape.spatial, windows_of(instance), strict=True)
    )


def _is_word(instance: Instance) -> bool:
    """Whether the padding is a word that Keras has, and nothing hangs over."""
    values = instance.layer.values
    if values["padding"] == "valid":
        return sides_of(instance, covering=True) == sides_of(instance)
    return values["padding"] in Padding.WORDS


def keras_zeros(site: Site) -> Step:
    """`layers.ZeroPadding2D` before the operation, under a guard where it may be none."""

    def amounts(instance: Instance) -> Any:
        equal, sides = equal_sides(instance, True), sides_of(instance, covering=True)
        if len(sides) == 1:  # a signal's tuple is (before, after)
            return sides[0] if equal is None else sides[0][0]
        return sides if equal is None else equal

    value = site.number(amounts, site.field("padding"))
    pad = site.layer(f"layers.ZeroPadding{site.rank}D", value, suffix="pad")
    return site.guarded(pad, value)


def keras_fill(site: Site, fill: float) -> Step:
    """`ops.pad` with another number than zero; overhang of `ceil` is padded, too."""

    def nested(instance: Instance) -> Any:
        return keras_order(sides_of(instance, covering=True))

    number = one_number(site)
    ceils = [i.layer.values["rounding"] == dims.CEIL for i in site.instances]
    floors = not any(ceils)
    if number is not None and all(ceils) and not site.agreed(nested):
        return _keras_pad_ceil(site, number, fill)
    if number is None or not floors:
        return site.call("ops.pad", site.number(nested), constant_values=fill)
    pair = (number, number)
    value = site.number(nested, ((0, 0), *(pair,) * site.rank, (0, 0)))
    return site.guarded(site.call("ops.pad", value, constant_values=fill), number)


def _keras_pad_ceil(site: Site, padding: Value, fill: float) -> Step:
    """The overhang depends on the input's size, which differs between instances."""
    return site.call(
        site.helper("pad_ceil", PAD_CEIL),
        site.field("kernel"),
        stride_of(site),
        **site.unless(0, padding=padding),
        value=fill,
    )


def keras_order(sides: Sides) -> Sides:
    """As ops.pad takes it, channels last."""
    return ((0, 0), *sides, (0, 0))


def per_axis(value: Any, rank: int) -> tuple[int, ...]:
    """A kernel or stride for each axis, of a layer whose shapes fit."""
    result = spread(value, rank)
    assert result is not None
    return result


def keras_slices(site: Site) -> bool:
    """Whether a convolution of Keras is made at stride 1, and `keras_every` slices it.

    Keras refuses a stride together with a dilation.
    """
    return any(
        max(w.stride for w in windows_of(i)) > 1
        and max(w.dilation for w in windows_of(i)) > 1
        for i in site.instances
    )


def keras_every(site: Site) -> Step:
    """What a stride keeps of a convolution at stride 1."""
    rank = site.rank
    names = [f"stride{axis + 1}" for axis in range(rank)] if rank > 1 else ["stride"]
    source = EVERY.format(
        rank=rank,
        strides=", ".join(names),
        slices=", ".join(f"::{name}" for name in names),
    )
    field = site.field("stride")
    is_number = all(type(i.layer.values["stride"]) is int for i in site.instances)
    candidates = [field] if is_number else []
    steps: list[Value] = [
        site.number(_stride_along(axis), *candidates) for axis in range(rank)
    ]
    return site.call(site.helper(f"every{rank}d", source), *steps)


def _stride_along(axis: int) -> Callable[[Instance], int]:
    return lambda instance: windows_of(instance)[axis].stride
