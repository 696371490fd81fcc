"""Given kernels and tables of connections, in both generated models."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cnnspec.compile import check_source
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.emit.site import Inexpressible
from cnnspec.source import SourceFile
from tests.checking import check, codes
from tests.parity.harness import check_text
from tests.showing import Shown, show

SIZES = {
    "conv1d": {"channels": 2, "length": 9},
    "conv2d": {"channels": 2, "height": 9, "width": 9},
    "conv3d": {"channels": 2, "depth": 5, "height": 5, "width": 5},
    "dense": {"features": 3},
    "radial_basis": {"features": 6},
}
# The operation, and the shape of its weight as PyTorch has it.
LAYERS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "conv1d": ({"conv": {"filters": 4, "kernel": 3}}, (4, 2, 3)),
    "conv2d": ({"conv": {"filters": 4, "kernel": [3, 5]}}, (4, 2, 3, 5)),
    "grouped": ({"conv": {"filters": 4, "kernel": 3, "groups": 2}}, (4, 1, 3, 3)),
    "conv3d": ({"conv": {"filters": 4, "kernel": [2, 3, 1]}}, (4, 2, 2, 3, 1)),
    "depthwise": ({"depthwise_conv": {"kernel": 3, "multiplier": 3}}, (6, 1, 3, 3)),
    "depthwise3d": ({"depthwise_conv": {"kernel": [2, 3, 1]}}, (2, 1, 2, 3, 1)),
    "dense": ({"dense": {"units": 5}}, (5, 3)),
    "radial_basis": ({"radial_basis": {"units": 5}}, (5, 6)),
}
SHAPES = ("whole", "without_channels", "without_filters", "one_number")
CASES = [
    (layer, shape, how)
    for layer, (_, weight) in LAYERS.items()
    for shape in SHAPES
    for how in ("weights", "init")
    if (len(weight) > 2 or shape != "without_filters")
    and ("depthwise" not in layer or how == "weights")
]
SCALE = -0.25


def numbers_of(shape: str, weight: tuple[int, ...]) -> Any:
    taken = {
        "whole": weight,
        "without_channels": (weight[0], *weight[2:]),
        "without_filters": weight[2:],
        "one_number": (),
    }[shape]
    return (np.arange(np.prod(taken, dtype=int)).reshape(taken) + 1.5).tolist()


def filled(shape: str, weight: tuple[int, ...]) -> Any:
    """The weight that the numbers mean."""
    numbers = np.array(numbers_of(shape, weight))
    if shape == "without_channels":
        numbers = numbers[:, None]
    return np.broadcast_to(SCALE * numbers, weight)


def spec_of(layer: str, shape: str, how: str) -> str:
    (entry, weight) = LAYERS[layer]
    ((op, fields),) = entry.items()
    numbers = numbers_of(shape, weight)
    if how == "weights":
        given = {"constant": numbers, "scale": SCALE}
        item: dict[str, Any] = {op: {**fields, "weights": given}}
    else:
        init = {"values": {"numbers": numbers, "scale": SCALE}}
        item = {op: fields, "init": init}
    kind = {"grouped": "conv2d", "depthwise": "conv2d", "depthwise3d": "conv3d"}
    sizes = SIZES[kind.get(layer, layer)]
    item["name"] = "first"
    return json.dumps({"cnnspec": 1, "name": "net", "input": sizes, "layers": [item]})


# The filters see one channel, or all: the deviation of their kernels must differ.
WIDE, ALL = 60, 20
PARTIAL = json.dumps(
    {
        "cnnspec": 1,
        "name": "net",
        "input": {"channels": ALL, "height": 9, "width": 9},
        "layers": [
            {
                "conv": {
                    "filters": 2 * WIDE,
                    "kernel": 7,
                    "connections": [[n % ALL] for n in range(WIDE)]
                    + [list(range(ALL))] * WIDE,
                },
                "name": "first",
            }
        ],
    }
)
BITMAPS = """
cnnspec: 1
name: net
input: {features: 6}
layers:
  - radial_basis: {units: 2, weights: {constant: [[[1, 2, 3], [4, 5, 6]], [[6, 5, 4], [3, 2, 1]]]}}
    name: first
  - radial_basis: {units: 2}
    init: {values: {numbers: [[[1], [2]], [[3], [4]]]}}
    name: second
"""
IN_BLOCKS = """
cnnspec: 1
name: net
input: {channels: 2, height: 9, width: 9}
blocks:
  look:
    args: {kernel: ~, scale: 1, times: 1}
    layers:
      - conv: {filters: 2, kernel: 2, weights: {constant: $kernel, scale: $(scale * 2)}}
        repeat: $times
      - conv: {filters: 2, kernel: 1, weights: {constant: [[[3]], [[4]]]}}
  whole:
    args: {given: ~}
    layers:
      - conv: {filters: 2, kernel: 1, weights: $given}
layers:
  - look: {kernel: [[1, 2], [3, 4]]}
  - look: {kernel: [[5, 6], [7, 8]], scale: 3, times: 2}
  - whole: {given: {constant: [[5]]}}
  - whole: {given: {constant: [[6]], scale: 7}}
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Shown]]:
    texts = {"-".join(case): spec_of(*case) for case in CASES}
    texts |= {"partial": PARTIAL, "bitmaps": BITMAPS, "blocks": IN_BLOCKS}
    specs = {name: check_text(text) for name, text in texts.items()}
    return show(specs, {}, tmp_path_factory.mktemp("constants"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("layer", "shape", "how"), CASES)
def test_a_weight_has_its_numbers_and_a_constant_one_never_learns(
    layer: str, shape: str, how: str, target: str, shown: dict[str, dict[str, Shown]]
) -> None:
    found = shown[target][f"{layer}-{shape}-{how}"]
    weight = found.weights["first.weight"]
    assert weight.shape == LAYERS[layer][1]
    assert np.array_equal(weight, filled(shape, weight.shape).astype(np.float32))
    learned = {"first.bias"} & set(found.weights)
    assert set(found.learned) == learned | (
        {"first.weight"} if how == "init" else set()
    )
    assert layer == "radial_basis" or learned


@pytest.mark.parametrize("target", TARGETS)
def test_centres_may_stand_in_rows(
    target: str, shown: dict[str, dict[str, Shown]]
) -> None:
    found = shown[target]["bitmaps"].weights
    assert found["first.weight"].tolist() == [[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]]
    assert found["second.weight"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("target", TARGETS)
def test_a_block_takes_its_numbers_as_an_argument(
    target: str, shown: dict[str, dict[str, Shown]]
) -> None:
    found = shown[target]["blocks"]
    first, second = np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]])
    expected: dict[str, Any] = {
        "look1.conv1.0": first * 2,
        "look2.conv1.0": second * 6,
        "look2.conv1.1": second * 6,
        "whole1.conv": [[5]],
        "whole2.conv": [[42]],
    }
    for path, kernel in expected.items():
        for weight in found.weights[f"{path}.weight"].reshape(4, *np.shape(kernel)):
            assert weight.tolist() == np.array(kernel).tolist(), path
    for look in ("look1", "look2"):
        kernel = found.weights[f"{look}.conv2.weight"]
        assert kernel.tolist() == [[[[3]], [[3]]], [[[4]], [[4]]]]
    assert {name.rpartition(".")[2] for name in found.learned} == {"bias"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_filter_of_few_channels_begins_with_its_own_fan_in(
    target: str, shown: dict[str, dict[str, Shown]]
) -> None:
    kernels = shown[target]["partial"].weights["first.weight"]
    assert kernels.shape == (WIDE + WIDE * ALL, 7, 7)
    for part, seen in ((kernels[:WIDE], 1), (kernels[WIDE:], ALL)):
        deviation = np.sqrt(2 / (seen * 49))
        # 2,940 draws at least: the standard error of the deviation is 0.013 of it.
        assert abs(part.std() - deviation) <= 0.06 * deviation
        assert abs(part.mean()) <= 0.08 * deviation
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)


def test_the_table_of_lenet5_has_1500_weights_and_150000_macs() -> None:
    table = [[n, (n + 1) % 6, (n + 2) % 6] for n in range(6)]
    table += [[n, (n + 1) % 6, (n + 2) % 6, (n + 3) % 6] for n in range(6)]
    table += [[0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5], [0, 1, 2, 3, 4, 5]]
    layer = {"conv": {"filters": 16, "kernel": 5, "connections": table}}
    sizes = {"channels": 6, "height": 14, "width": 14}
    spec = {"cnnspec": 1, "name": "net", "input": sizes, "layers": [layer]}
    graph = check_text(json.dumps(spec)).graph
    assert graph is not None
    (conv,) = graph.layers
    assert (conv.params, conv.macs) == (1516, 150_000)


def test_constants_are_parameters_that_do_not_train() -> None:
    text = "- conv: {filters: 8, kernel: 3, weights: {constant: 1}}"
    totals = check(text)["totals"]
    assert (totals["params"], totals["trainable_params"]) == (8 * 4 * 9 + 8, 8)


CONV = "- conv: {{filters: 3, kernel: 2, {}}}"


@pytest.mark.parametrize(
    ("fields", "code", "label"),
    [
        (
            "weights: {constant: [[1, 2], [3]]}",
            "CS330",
            "gets lists of different lengths, takes 3x4x2x2, 3x2x2 or 2x2",
        ),
        (
            "weights: {constant: [[[1, 2], [3, 4]]]}",
            "CS330",
            "gets 1x2x2, takes 3x4x2x2, 3x2x2 or 2x2",
        ),
        ("connections: [[0], [1]]", "CS331", "2 lists, 3 filters"),
        (
            "connections: [[0], [1], [4, 2]]",
            "CS331",
            "list 3 names channel 4, the last one is 3",
        ),
        (
            "connections: [[0], [1, 2, 1], [2]]",
            "CS331",
            "list 2 names channel 1 more than once",
        ),
        (
            "connections: [[0], [1], [2]], weights: {constant: 1}",
            "CS331",
            "stands beside `weights`",
        ),
    ],
)
def test_what_does_not_fit_is_shown_with_what_would(
    fields: str, code: str, label: str
) -> None:
    source = SourceFile("spec.yaml", whole_spec(CONV.format(fields)))
    (found,) = check_source(source, {}).diagnostics
    assert (found.code, found.label) == (code, label)


def whole_spec(layers: str) -> str:
    sizes = "{channels: 4, height: 8, width: 8}"
    return f"cnnspec: 1\nname: net\ninput: {sizes}\nlayers:\n{layers}\n"


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (CONV.format("connections: [[0], [], [1]]"), ["CS107"]),
        (CONV.format("connections: [[0], [-1], [1]]"), ["CS107"]),
        (CONV.format("weights: {constant: []}"), ["CS107"]),
        (CONV.format("weights: {constant: [a]}"), ["CS107"]),
        (CONV.format("weights: {scale: 2}"), ["CS109"]),
        (CONV.format("weights: {constant: 1, scales: 2}"), ["CS106"]),
        (
            "- conv: {filters: 8, kernel: 2, groups: 2, connections: "
            "[[0], [1], [2], [3], [0], [1], [2], [3]]}",
            ["CS331"],
        ),
        (CONV.format("weights: {constant: 1}") + "\n  init: he_normal", ["CS114"]),
        (CONV.format("bias: false") + "\n  init: {values: {numbers: [1]}}", ["CS330"]),
        (
            CONV.format("connections: [[0], [1], [2]]")
            + "\n  init: {values: {numbers: 1}}",
            ["CS331"],
        ),
        ("- depthwise_conv: {kernel: 3}\n  init: {values: {numbers: 1}}", ["CS114"]),
    ],
)
def test_mistakes_get_one_diagnostic(layers: str, expected: list[str]) -> None:
    assert codes(layers) == expected


IN_TWO_SHAPES = """
cnnspec: 1
name: net
input: {channels: 4, height: 8, width: 8}
blocks:
  look:
    args: {kernel: ~}
    layers:
      - conv: {filters: 4, kernel: 2, weights: {constant: $kernel}}
layers:
  - look: {kernel: [[1, 2], [3, 4]]}
  - look: {kernel: 1}
"""


@pytest.mark.parametrize("target", TARGETS)
def test_numbers_of_several_shapes_in_a_block_are_an_error_of_the_build(
    target: str,
) -> None:
    with pytest.raises(Inexpressible, match="number of axes of `weights`") as caught:
        model_text(check_text(IN_TWO_SHAPES), target, None)
    assert (caught.value.code, caught.value.field) == ("CS501", "weights")
