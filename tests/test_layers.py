"""Every operation against PyTorch on the meta device: shapes, tensors and costs."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnspec.fields import EDGES, Field
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import EVERYWHERE, Layer, Misfit, Reach, Weight
from cnnspec.shapes import (
    MAPS,
    SEQUENCE,
    TOKENS,
    Shape,
    maps,
    vector,
)
from tests.parity.drawing import TOGETHER

sys.path.append(str(Path(__file__).parent / "parity"))
from oracle import EVALUATE  # a script there imports it by this name

Tensors = list[torch.Tensor]


def make(op: str, **given: Any) -> Layer:
    """A layer with these fields, as a spec gives them."""
    fields = OPERATIONS[op].fields
    return OPERATIONS[op]({name: fields[name].accept(v) for name, v in given.items()})


def out(layer: Layer, *inputs: Shape) -> Shape:
    (shape,) = layer.infer(inputs)
    return shape


# What PyTorch makes of a layer, written without the layer's own emission: its tensors by
# name and shape, and its output.
Oracle = Callable[[Layer, Tensors], tuple[nn.Module | None, torch.Tensor]]


def per_axis(value: Any, rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else list(value)


def padded(layer: Layer, x: torch.Tensor, fill: float) -> torch.Tensor:
    """Padding as the language means it, axis by axis."""
    v, rank = layer.values, x.ndim - 2
    kernel = per_axis(v["kernel"], rank)
    stride = per_axis(v["kernel"] if v["stride"] is None else v["stride"], rank)
    dilation = per_axis(v.get("dilation", 1), rank)
    padding = v["padding"]
    amounts: list[int] = []
    for axis, size in enumerate(x.shape[2:]):
        if padding == "same":
            span = (kernel[axis] - 1) * dilation[axis] + 1
            total = max((-(-size // stride[axis]) - 1) * stride[axis] + span - size, 0)
            sides = [total // 2, total - total // 2]
        elif padding == "valid":
            sides = [0, 0]
        elif isinstance(padding, tuple) and len(padding) == 2 * rank:
            sides = list(padding[2 * axis : 2 * axis + 2])
        else:
            sides = [per_axis(padding, rank)[axis]] * 2
        amounts = [*sides, *amounts]
    return F.pad(x, amounts, value=fill)


def conv(layer: Layer, xs: Tensors) -> tuple[nn.Module, torch.Tensor]:
    (x,), v = xs, layer.values
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[x.ndim - 3]
    module = kind(
        x.shape[1],
        v["filters"],
        v["kernel"],
        stride=v["stride"],
        dilation=v["dilation"],
        groups=v["groups"],
        bias=v["bias"],
        device="meta",
    )
    y = module(padded(layer, x, 0.0))
    if v["connections"] is not None:
        number = sum(map(len, v["connections"]))
        module.weight = nn.Parameter(
            module.weight.new_empty(number, *module.kernel_size)
        )
    module.weight.requires_grad_(v["weights"] is None)
    return module, y


def pool(layer: Layer, xs: Tensors) -> tuple[None, torch.Tensor]:
    """Sizes alone, which max and average pooling share."""
    (x,), v = xs, layer.values
    rank = x.ndim - 2
    kind = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[rank - 1]
    ceil = v["rounding"] == "ceil"
    if not ceil or v["padding"] in ("same", "valid"):
        module = kind(v["kernel"], v["stride"], ceil_mode=ceil)
        return None, module(padded(layer, x, 0.0))
    # Padding is part of the rule of `ceil`, so PyTorch's own must be asked.
    sides = per_axis(v["padding"], rank)
    fits = [
        2 * p <= k for p, k in zip(sides, per_axis(v["kernel"], rank), strict=False)
    ]
    if len(sides) != rank or not all(fits):
        pytest.skip("PyTorch cannot say it")
    return None, kind(v["kernel"], v["stride"], padding=tuple(sides), ceil_mode=ceil)(x)


def batch_norm(layer: Layer, xs: Tensors) -> tuple[nn.Module, torch.Tensor]:
    (x,) = xs
    kind = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[x.ndim - 2]
    module = kind(x.shape[1], device="meta").eval()
    return module, module(x)


def dense(layer: Layer, xs: Tensors) -> tuple[nn.Module, torch.Tensor]:
    (x,), v = xs, layer.values
    module = nn.Linear(x.shape[-1], v["units"], bias=v["bias"], device="meta")
    module.weight.requires_grad_(v["weights"] is None)
    return module, module(x)


def concat(layer: Layer, xs: Tensors) -> tuple[None, torch.Tensor]:
    return None, torch.cat(xs, dim=-1 if xs[0].ndim == 3 and xs[0].shape[1] == 5 else 1)


def alike(layer: Layer, xs: Tensors) -> tuple[None, torch.Tensor]:
    return None, xs[0]


ORACLES: dict[str, Oracle] = {
    "conv": conv,
    "max_pool": pool,
    "avg_pool": pool,
    "batch_norm": batch_norm,
    "dense": dense,
    "flatten": lambda layer, xs: (None, xs[0].flatten(1)),
    "concat": concat,
    "add": lambda layer, xs: (None, sum(xs[1:], xs[0])),
    "multiply": lambda layer, xs: (None, torch.stack(xs).prod(0)),
    "average": lambda layer, xs: (None, torch.stack(xs).mean(0)),
    "maximum": lambda layer, xs: (None, torch.stack(xs).amax(0)),
    **dict.fromkeys(
        ("relu", "tanh", "sigmoid", "softmax", "dropout", "identity"), alike
    ),
}
INPUTS = [
    maps(4, 9),
    maps(4, 9, 12),
    maps(2, 8, 8),
    maps(1, 6, 7, 8),
    vector(6),
    Shape(SEQUENCE, (5, 6)),
    Shape(TOKENS, (5,), 7),
]


def cases(op: str) -> list[Layer]:
    """Each value of each field alone, then mixtures."""
    draw = random.Random(op)
    fields = {
        name: field
        for name, field in OPERATIONS[op].fields.items()
        if not isinstance(field, EDGES)  # edges: they have no meaning without a graph
    }
    base = {name: f.samples()[1] for name, f in fields.items() if f.required}
    given = [base]
    for name, field in fields.items():
        given += [{**base, name: value} for value in field.samples()]
    given += [v for v in TOGETHER.get(op, ()) if v.keys() <= fields.keys()]
    for _ in range(60 if fields else 0):
        given.append({n: draw.choice(f.samples()) for n, f in fields.items()})
    return [make(op, **values) for values in given]


def is_default(field: Field[Any], value: Any) -> bool:
    return field.required or (
        type(value) is type(field.default) and value == field.default
    )


@pytest.mark.parametrize("op", OPERATIONS)
def test_shape_and_tensors_are_pytorchs_with_every_field_off_its_default(
    op: str,
) -> None:
    moved: set[str] = set()
    compared = 0
    for layer in cases(op):
        for shape in INPUTS:
            for number in (1, 2, 3):
                inputs = (shape,) * number
                least, most = layer.arity
                if not least <= number <= (number if most is None else most):
                    continue
                try:
                    results = layer.infer(inputs)
                except Misfit:
                    continue
                xs = [empty(s) for s in inputs]
                if op not in ORACLES:
                    for y, result in zip(
                        meant(layer, inputs, xs), results, strict=True
                    ):
                        assert tuple(y.shape[1:]) == result.sizes, (layer, inputs)
                else:
                    (result,) = results
                    try:
                        module, y = ORACLES[op](layer, xs)
                    except pytest.skip.Exception:
                        continue
                    assert tuple(y.shape[1:]) == result.sizes, (layer.values, inputs)
                    assert tensors(module) == list(layer.weights(inputs)), layer.values
                compared += 1
                moved |= {
                    name
                    for name, field in layer.fields.items()
                    if not is_default(field, layer.values[name])
                }
    assert compared
    fields = OPERATIONS[op].fields.items()
    expected = {n for n, f in fields if not f.required and not isinstance(f, EDGES)}
    assert moved == expected


def empty(shape: Shape) -> torch.Tensor:
    kind = torch.int64 if shape.layout == TOKENS else torch.float32
    return torch.empty(2, *shape.sizes, dtype=kind, device="meta")


def meant(layer: Layer, inputs: tuple[Shape, ...], xs: Tensors) -> Tensors:
    """What the evaluator of the parity tests gives; tensors are held by the models there."""
    own = {w.name: torch.empty(w.shape, device="meta") for w in layer.weights(inputs)}
    values = json.loads(json.dumps(layer.values, default=str))  # lists, as it gets them
    node = {"op": layer.op, "values": values, "layouts": [s.layout for s in inputs]}
    found: Tensors = EVALUATE[layer.op](node, own, xs, False)
    return found


def tensors(module: nn.Module | None) -> list[Weight]:
    """A module's tensors in its own order, without the count of batches."""
    if module is None:
        return []
    learned = [
        Weight(n, tuple(p.shape), constant=not p.requires_grad)
        for n, p in module.named_parameters()
    ]
    running = [
        Weight(n, tuple(b.shape), learned=False)
        for n, b in module.named_buffers()
        if n != "num_batches_tracked"
    ]
    return learned + running


@pytest.mark.parametrize("op", OPERATIONS)
def test_operation_has_a_page_an_example_and_a_sentence_for_each_field(op: str) -> None:
    layer = OPERATIONS[op]
    assert layer.__doc__ and "Shapes:" in layer.__doc__
    assert op in layer.example
    for field in layer.fields.values():
        assert field.doc.endswith("."), field.name


@pytest.mark.parametrize("op", OPERATIONS)
def test_samples_of_each_field_are_accepted(op: str) -> None:
    for field in OPERATIONS[op].fields.values():
        for value in field.samples():
            field.accept(value)


def test_ten_5x5_filters_on_3_channels_have_760_parameters() -> None:
    layer = make("conv", filters=10, kernel=5, stride=1, padding=2)
    inputs = (maps(3, 32, 32),)
    kernel, bias = layer.weights(inputs)
    assert kernel.count // 10 + 1 == 76
    assert kernel.count + bias.count == 760
    assert layer.infer(inputs) == (maps(10, 32, 32),)
    assert layer.macs(inputs, layer.infer(inputs)) == 10 * 32 * 32 * 75


def test_six_5x5_filters_on_32_pixels_give_28() -> None:
    assert out(make("conv", filters=6, kernel=5), maps(3, 32, 32)) == maps(6, 28, 28)


def test_a_unit_on_a_megapixel_image_has_3_million_weights() -> None:
    flat = out(make("flatten"), maps(3, 1000, 1000))
    layer = make("dense", units=100)
    kernel, _ = layer.weights((flat,))
    assert kernel.count == 100 * 3_000_000
    assert kernel.count * 8 == 2.4e9  # bytes in float64


def test_macs_of_a_grouped_convolution_are_a_groups_share() -> None:
    inputs = (maps(8, 10, 10),)
    whole, grouped = (
        make("conv", filters=16, kernel=3, padding=1, groups=groups)
        for groups in (1, 4)
    )
    assert whole.macs(inputs, whole.infer(inputs)) == 16 * 100 * 72
    assert grouped.macs(inputs, grouped.infer(inputs)) == 16 * 100 * 18


def test_dense_on_a_sequence_costs_its_length_times_as_much() -> None:
    layer, inputs = make("dense", units=7), (Shape(SEQUENCE, (5, 6)),)
    assert layer.macs(inputs, layer.infer(inputs)) == 5 * 6 * 7


def test_pooling_norm_and_activation_cost_no_macs() -> None:
    inputs = (maps(4, 8, 8),)
    for op in ("batch_norm", "relu", "global_avg_pool", "softmax"):
        assert make(op).macs(inputs, make(op).infer(inputs)) == 0


def test_running_statistics_do_not_learn() -> None:
    weights = make("batch_norm").weights((maps(4, 8, 8),))
    assert sum(w.count for w in weights if w.learned) == 8
    assert sum(w.count for w in weights) == 16


def test_reach_is_extent_and_stride_of_the_windows() -> None:
    layer = make("conv", filters=1, kernel=[3, 5], stride=2, dilation=[2, 1])
    assert layer.reach((maps(1, 9, 9),)) == Reach((5, 5), (2, 2))
    assert make("max_pool", kernel=3).reach((maps(1, 9),)) == Reach((3,), (3,))


def test_what_mixes_all_positions_reaches_everywhere() -> None:
    assert make("global_avg_pool", keep=True).reach((maps(2, 4, 4),)) is EVERYWHERE
    assert make("flatten").reach((maps(2, 4, 4),)) is EVERYWHERE
    assert make("dense", units=1).reach((vector(3),)) is EVERYWHERE
    assert make("dense", units=1).reach((Shape(SEQUENCE, (5, 3)),)) is None


def test_average_pool_steps_by_its_kernel_where_no_stride_is_given() -> None:
    assert out(make("avg_pool", kernel=2), maps(6, 28, 28)) == maps(6, 14, 14)
    assert out(make("avg_pool", kernel=2, stride=1), maps(6, 28, 28)).layout == MAPS


def test_incomplete_operation_fails_at_import() -> None:
    with pytest.raises(TypeError, match="Half lacks pytorch, keras"):

        class Half(Layer):
            """A page."""

            op = "half"
            example = "- half"

            def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
                return inputs
