"""One layer and its input shapes enter; output shapes, costs and remarks leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cnnspec.graph import Field
from cnnspec.layers.layer import EVERYWHERE, Layer, Misfit, Reach, Remark

if TYPE_CHECKING:
    from cnnspec.initializers import Initializer
    from cnnspec.shapes import Shape


class Result(NamedTuple):
    """What one layer makes of its inputs; `outputs` holds None after a fault."""

    outputs: tuple[Shape | None, ...]
    params: int
    trainable_params: int
    macs: int
    reach: Reach | None
    remarks: tuple[Remark, ...]


class Inference:
    """Infers layers, each combination of a layer and its input shapes once."""

    __slots__ = ("_begun", "_known")

    def __init__(self) -> None:
        self._known: dict[tuple[int, tuple[Shape, ...]], tuple[Layer, Result]] = {}
        self._begun: dict[tuple[int, int, tuple[Shape, ...]], tuple[Remark, ...]] = {}

    def infer(self, layer: Layer, inputs: tuple[Shape, ...]) -> Result:
        key = (id(layer), inputs)
        found = self._known.get(key)
        if found is None:
            # The layer is kept beside its result, so that its id stays its own.
            found = self._known[key] = (layer, _infer(layer, inputs))
        return found[1]

    def beginning(
        self, init: Initializer | None, layer: Layer, inputs: tuple[Shape, ...]
    ) -> tuple[Remark, ...]:
        """Why `init` can't begin the weights of a layer that was inferred."""
        if init is None or None in self.infer(layer, inputs).outputs:
            return ()
        key = (id(init), id(layer), inputs)
        if key not in self._begun:
            fault = init.fault(layer, layer.weights(inputs))
            self._begun[key] = () if fault is None else (fault,)
        return self._begun[key]

    def start(self, shape: Shape | None) -> Field | None:
        """The field of one pixel of an input."""
        if shape is None or not shape.rank:
            return None
        return Field((1,) * shape.rank, (1,) * shape.rank)

    def field(self, result: Result, inputs: list[Field | None]) -> Field | None:
        """The receptive field behind one output pixel; None where it is not local.

        Source: Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural
        Networks", Distill 2019: r' = r + (k - 1) j, j' = j s, from the input on.
        """
        field = _widest(inputs)
        reach = result.reach
        if field is None or reach is None or reach is EVERYWHERE:
            return None if reach is EVERYWHERE else field
        sizes = tuple(
            size + (extent - 1) * jump
            for size, extent, jump in zip(
                field.size, reach.extent, field.stride, strict=True
            )
        )
        return Field(
            sizes,
            tuple(j * s for j, s in zip(field.stride, reach.stride, strict=True)),
        )


def _infer(layer: Layer, inputs: tuple[Shape, ...]) -> Result:
    try:
        _count(layer, inputs)
        outputs = layer.infer(inputs)
        learned = [weight for weight in layer.weights(inputs) if weight.learned]
        return Result(
            outputs,
            sum([weight.count for weight in learned]),
            sum([weight.count for weight in learned if not weight.constant]),
            layer.macs(inputs, outputs),
            layer.reach(inputs),
            tuple(layer.remarks(inputs)),
        )
    except Misfit as misfit:  # of a plugin's operation each method may raise one
        return Result((None,) * layer.ports, 0, 0, 0, None, (misfit.remark,))


def _count(layer: Layer, inputs: tuple[Shape, ...]) -> None:
    """Raises Misfit (CS346) where the layer names too few or too many others."""
    least, most = layer.arity
    if least <= len(inputs) and (most is None or len(inputs) <= most):
        return
    named = len(inputs) - 1
    wanted = least - 1 if named < least else (most or least) - 1
    raise Misfit(
        Remark(
            "CS346",
            f"`{layer.op}` takes the flow and {wanted} named layer{'s' * (wanted != 1)}",
            f"names {named or 'none'}",
            field="with" if "with" in layer.fields else None,
        )
    )


def _widest(fields: list[Field | None]) -> Field | None:
    """Of several inputs the largest field; None where one is not local or steps differ."""
    first = fields[0] if fields else None
    if first is None or len(fields) == 1:
        return first
    sizes = first.size
    for other in fields[1:]:
        if other is None or other.stride != first.stride:
            return None
        sizes = tuple(map(max, sizes, other.size))
    return Field(sizes, first.stride)
