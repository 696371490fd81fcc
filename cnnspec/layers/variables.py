"""How a layer's tensors in PyTorch lie in its variables of Keras: data that is read both ways."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance
    from cnnspec.initializers import Initializer
    from cnnspec.layers.layer import Weight


class Rows(NamedTuple):
    """A part of a tensor along its first axis: [start:stop]."""

    weight: Weight
    start: int
    stop: int


class Variable(NamedTuple):
    """A variable of Keras, which holds rows of PyTorch's tensors.

    The rows are put one below the other, seen in `shape`, and its axes are then taken in the
    order `axes`, as numpy's `transpose` does. A layer's variables hold each row of its tensors
    once; that makes a way back of it.

    Args:
        path: behind the layer's own, as Keras has it: `kernel`, `lstm_cell/bias`; of a layer
            made as `site.layer(…, suffix="depthwise")` it begins with a dot.
    """

    path: str
    rows: tuple[Rows, ...]
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def keras_shape(self) -> tuple[int, ...]:
        return tuple([self.shape[axis] for axis in self.axes])


class Line(Protocol):
    """One line of a program: every use of a layer that it stands for, and its `init`."""

    @property
    def instances(self) -> tuple[Instance, ...]: ...

    @property
    def init(self) -> Initializer | None: ...


def whole(weight: Weight) -> Rows:
    return Rows(weight, 0, weight.rows[0])


def variable(
    path: str,
    *tensors: Weight | Rows,
    shape: tuple[int, ...] | None = None,
    axes: tuple[int, ...] | None = None,
) -> Variable:
    """A variable of these tensors or rows.

    Args:
        shape: in which they are seen, theirs by default; a -1 stands for what is left.
        axes: of that shape in Keras' order, its own by default.
    """
    rows = tuple([part if isinstance(part, Rows) else whole(part) for part in tensors])
    _, *rest = rows[0].weight.rows
    count = sum([part.stop - part.start for part in rows])
    if shape is None:
        is_whole = rows == (whole(rows[0].weight),)
        shape = rows[0].weight.shape if is_whole else (count, *rest)
    elif -1 in shape:
        left = count * prod(rest) // -prod(shape)
        shape = tuple([left if size == -1 else size for size in shape])
    return Variable(path, rows, shape, axes or tuple(range(len(shape))))


def kernel(path: str, weight: Weight | Rows) -> Variable:
    """A kernel (O, I, spatial…) as Keras has it: (spatial…, I, O)."""
    axes = len((weight.weight if isinstance(weight, Rows) else weight).shape)
    return variable(path, weight, axes=(*range(2, axes), 1, 0))


def channels_last(path: str, weight: Weight) -> Variable:
    """(C, spatial…) as (spatial…, C)."""
    return variable(path, weight, axes=(*range(1, len(weight.shape)), 0))


def usual(weight: Weight) -> Variable:
    """A tensor `weight` of several axes is a `kernel`; what else there is keeps name and axes."""
    part, _, name = weight.name.rpartition(".")
    within = f"{part.replace('.', '/')}/" if part else ""
    if name == "weight" and len(weight.shape) > 1:
        return kernel(f"{within}kernel", weight)
    return variable(f"{within}{name}", weight)


def scale_and_shift(weights: tuple[Weight, ...]) -> tuple[Variable, ...]:
    """A normalisation's: of single channels, or of all maps."""
    names = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    return tuple([channels_last(names[weight.name], weight) for weight in weights])
