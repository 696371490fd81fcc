"""`init` in both frameworks: 10^6 draws of each distribution against its formula."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cnnspec.emit.build import TARGETS, model_text
from cnnspec.initializers import INITIALIZERS
from cnnspec.names import camel
from tests.parity.harness import check_text

DRAWS = Path(__file__).parent / "parity" / "draws.py"
# The standard error of the mean of 10^6 draws is 0.001 deviations, that of the deviation at
# most 0.0008: four or five of them.
NEAR = 0.005


class Kernel(NamedTuple):
    """A layer with about 10^6 weights: its input, its entry, and its fans."""

    sizes: dict[str, int]
    layer: dict[str, Any]
    fan_in: int
    fan_out: int


KERNELS = {
    "conv1d": Kernel(
        {"channels": 250, "length": 4},
        {"conv": {"filters": 1000, "kernel": 4}},
        250 * 4,
        1000 * 4,
    ),
    "conv2d": Kernel(
        {"channels": 250, "height": 2, "width": 2},
        {"conv": {"filters": 1000, "kernel": 2}},
        250 * 4,
        1000 * 4,
    ),
    "conv3d": Kernel(
        {"channels": 125, "depth": 2, "height": 2, "width": 2},
        {"conv": {"filters": 1000, "kernel": 2}},
        125 * 8,
        1000 * 8,
    ),
    # A filter of a group sees a quarter of the channels; fan_out counts all filters.
    "grouped": Kernel(
        {"channels": 1000, "height": 2, "width": 2},
        {"conv": {"filters": 1000, "kernel": 2, "groups": 4}},
        250 * 4,
        1000 * 4,
    ),
    # A filter of a channel sees that channel alone; fan_out counts all filters, as in a group.
    "depthwise": Kernel(
        {"channels": 5000, "height": 10, "width": 10},
        {"depthwise_conv": {"kernel": 10, "multiplier": 2}},
        100,
        10_000 * 100,
    ),
    "depthwise1d": Kernel(
        {"channels": 10_000, "length": 100},
        {"depthwise_conv": {"kernel": 100}},
        100,
        10_000 * 100,
    ),
    "depthwise3d": Kernel(
        {"channels": 8000, "depth": 5, "height": 5, "width": 5},
        {"depthwise_conv": {"kernel": 5}},
        125,
        8000 * 125,
    ),
    "transposed": Kernel(
        {"channels": 250, "height": 1, "width": 1},
        {"conv_transpose": {"filters": 1000, "kernel": 2}},
        250 * 4,
        1000 * 4,
    ),
    # An output sums over one pixel of each channel of its group. Both fans together are those of
    # the convolution that it transposes, 125 to 500 channels.
    "strided": Kernel(
        {"channels": 500, "height": 1, "width": 1},
        {"conv_transpose": {"filters": 500, "kernel": 4, "stride": 4, "groups": 4}},
        125,
        (125 + 500) * 16 - 125,
    ),
    "dense": Kernel({"features": 500}, {"dense": {"units": 2000}}, 500, 2000),
}


class Distribution(NamedTuple):
    """Mean, standard deviation and bounds; None where the draws are unbounded."""

    mean: float
    deviation: float
    least: float | None = None
    largest: float | None = None


def uniform(limit: float) -> Distribution:
    return Distribution(0, limit / sqrt(3), -limit, limit)


def expected(init: Any, fan_in: int, fan_out: int) -> Distribution:
    """The formulas of the distributions' sources."""
    kind, fields = next(iter(init.items())) if isinstance(init, dict) else (init, {})
    match kind:
        case "he_normal":
            return Distribution(0, sqrt(2 / fan_in))
        case "he_uniform":
            return uniform(sqrt(6 / fan_in))
        case "glorot_normal":
            return Distribution(0, sqrt(2 / (fan_in + fan_out)))
        case "glorot_uniform":
            return uniform(sqrt(6 / (fan_in + fan_out)))
        case "lecun_normal":
            return Distribution(0, sqrt(1 / fan_in))
        case "normal":
            return Distribution(fields["mean"], fields["stddev"])
        case "truncated_normal":
            # The variance of N(0, 1) within two deviations: 1 - 4 phi(2)/(2 Phi(2) - 1).
            s = fields["stddev"]
            return Distribution(
                0, s * sqrt(1 - 4 * 0.0539909665 / 0.9544997361), -2 * s, 2 * s
            )
        case "uniform":
            return uniform(fields["limit"])
        case "constant":
            return Distribution(fields["value"], 0, fields["value"], fields["value"])
        case "values":
            number = fields["numbers"] * fields["scale"]
            return Distribution(number, 0, number, number)
    raise AssertionError(kind)


INITS: dict[str, Any] = {
    "default": None,
    **{k: k for k, cls in INITIALIZERS.items() if not cls.fields and k != "bilinear"},
    "normal": {"normal": {"mean": 0.5, "stddev": 0.25}},
    "truncated_normal": {"truncated_normal": {"stddev": 0.5}},
    "uniform": {"uniform": {"limit": 0.25}},
    "constant": {"constant": {"value": 0.5}},
    "values": {"values": {"numbers": 0.25, "scale": 2}},
}
# All distributions on one kernel, and those of the fans on all kernels.
FANS = ("default", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal")
CASES = [("conv2d", init) for init in INITS]
CASES += [(kernel, init) for kernel in KERNELS if kernel != "conv2d" for init in FANS]

PLACES = """
cnnspec: 1
name: net
input: {channels: 50, height: 9, width: 9}
blocks:
  unit:
    args: {wide: true}
    layers:
      - conv: {filters: 50, kernel: 3, padding: 1}
        init: {normal: {stddev: 2, mean: 7}}
        repeat: 2
      - conv: {filters: 50, kernel: 3, padding: 1}
        init: {uniform: {limit: 3}}
        when: $wide
      - conv: {filters: 50, kernel: 3, padding: 1}
layers:
  - unit
  - unit: {wide: false}
    repeat: 2
  - conv: {filters: 50, kernel: 3, padding: 1}
    init: {constant: {value: 4}}
    when: true
  - residual:
      body:
        - conv: {filters: 50, kernel: 3, padding: 1}
          init: {normal: {stddev: 5}}
    repeat: 2
"""
SEPARABLE = """
cnnspec: 1
name: net
input: {channels: 1000, height: 9, width: 9}
vars: {multiplier: 1}
layers:
  - separable_conv: {filters: 1000, kernel: 9, multiplier: $multiplier}
  - separable_conv: {filters: 1000, kernel: 1, multiplier: $multiplier}
    init: he_uniform
    repeat: 2
"""
UPSAMPLING = """
cnnspec: 1
name: net
input: {channels: 2, height: 4, width: 4}
layers:
  - conv_transpose: {filters: 2, kernel: [4, 3], stride: 2}
    init: bilinear
  - conv_transpose: {filters: 2, kernel: [4, 3], stride: 2, groups: 2, bias: false}
    init: bilinear
    repeat: 2
"""


def spec_of(kernel: Kernel, init: Any) -> str:
    layer = kernel.layer if init is None else {**kernel.layer, "init": init}
    spec = {"cnnspec": 1, "name": "net", "input": kernel.sizes, "layers": [layer]}
    return json.dumps(spec)


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, dict[str, Any]]]:
    """What the kernels of each model are, by target, model and layer."""
    texts = {f"{k} {i}": spec_of(KERNELS[k], INITS[i]) for k, i in CASES}
    texts["places"] = PLACES
    texts["upsampling"] = UPSAMPLING
    specs = {name: check_text(text) for name, text in texts.items()}
    for number in (1, 2):
        given = {"multiplier": number}
        specs[f"separable {number}"] = check_text(SEPARABLE, given)
    running = {}
    for target in TARGETS:
        function = camel("net") if target == "pytorch" else "net"
        models = {n: [model_text(s, target, None), function] for n, s in specs.items()}
        running[target] = subprocess.Popen(
            [sys.executable, str(DRAWS), target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        stdin = running[target].stdin
        assert stdin is not None
        stdin.write(json.dumps(models).encode())
        stdin.close()
    return {target: _result(process) for target, process in running.items()}


def _result(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None and process.stderr is not None
    out, errors = process.stdout.read(), process.stderr.read()
    assert process.wait() == 0, errors[-3000:].decode()
    return json.loads(out)


def assert_drawn(kernel: dict[str, Any], law: Distribution, near: float) -> None:
    scale = law.deviation or 1
    assert kernel["bias"] == 0
    assert abs(kernel["mean"] - law.mean) <= near * scale
    assert abs(kernel["deviation"] - law.deviation) <= near * scale
    if law.least is None or law.largest is None:
        # 10^6 normal draws go beyond four deviations, with all but e^-60 probability.
        assert kernel["largest"] - law.mean > 4 * scale
        assert kernel["least"] - law.mean < -4 * scale
    else:
        # float32 rounds the bounds.
        slack = 1e-6 * abs(law.largest)
        assert law.least - slack <= kernel["least"] <= law.least + 0.01 * scale
        assert law.largest - 0.01 * scale <= kernel["largest"] <= law.largest + slack


def test_every_distribution_is_drawn() -> None:
    assert set(INITIALIZERS) | {"default"} == {*INITS, "bilinear"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("shape", "init"), CASES)
def test_a_million_draws_have_the_distributions_bounds_mean_and_deviation(
    shape: str, init: str, target: str, found: dict[str, dict[str, Any]]
) -> None:
    (kernel,) = found[target][f"{shape} {init}"].values()
    assert kernel["count"] == 1_000_000
    row = KERNELS[shape]
    law = expected(INITS[init] or "he_normal", row.fan_in, row.fan_out)
    assert_drawn(kernel, law, NEAR)


@pytest.mark.parametrize("target", TARGETS)
def test_init_reaches_repeated_and_conditional_layers(
    target: str, found: dict[str, dict[str, Any]]
) -> None:
    he = Distribution(0, sqrt(2 / 450))
    laws = {"conv1": Distribution(4, 0), "unit1.conv2": Distribution(0, sqrt(3))}
    laws |= {f"conv2.{n}": Distribution(0, 5) for n in range(2)}
    for unit in ("unit1", "unit2.0", "unit2.1"):
        laws |= {f"{unit}.conv1.{n}": Distribution(7, 2) for n in range(2)}
        laws[f"{unit}.conv3"] = he
    places = found[target]["places"]
    assert set(places) == set(laws)
    for path, law in laws.items():
        kernel, scale = places[path], law.deviation or 1
        # 22,500 draws: the standard error is 0.007 deviations.
        assert abs(kernel["mean"] - law.mean) <= 0.03 * scale, path
        assert abs(kernel["deviation"] - law.deviation) <= 0.03 * scale, path
        assert kernel["bias"] == 0


@pytest.mark.parametrize("target", TARGETS)
def test_no_two_layers_share_their_draws(
    target: str, found: dict[str, dict[str, Any]]
) -> None:
    kernels = [k for k in found[target]["places"].values() if k["deviation"]]
    # Scaled to one distribution, for shared draws differ by scale and mean alone.
    drawn = [
        tuple(round((v - k["mean"]) / k["deviation"], 2) for v in k["first"])
        for k in kernels
    ]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("target", TARGETS)
def test_a_seed_gives_the_same_weights_again(
    target: str, found: dict[str, dict[str, Any]]
) -> None:
    for layers in found[target].values():
        assert all(kernel["again"] for kernel in layers.values())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("multiplier", [1, 2])
def test_both_parts_of_a_separable_convolution_begin_by_their_own_fan_in(
    multiplier: int, target: str, found: dict[str, dict[str, Any]]
) -> None:
    kernels = found[target][f"separable {multiplier}"]
    paths = ("separable_conv1", "separable_conv2.0", "separable_conv2.1")
    assert set(kernels) == {
        f"{p}.{n}" for p in paths for n in ("depthwise", "pointwise")
    }
    mixing = 1000 * multiplier
    fans = {"separable_conv1.depthwise": 81, "separable_conv1.pointwise": mixing}
    for path, kernel in kernels.items():
        fan_in = fans.get(path, 1 if path.endswith("depthwise") else mixing)
        # 1,000 draws of the smallest: the standard error is 0.03 deviations.
        assert abs(kernel["mean"]) <= 0.12 * sqrt(2 / fan_in), path
        assert abs(kernel["deviation"] / sqrt(2 / fan_in) - 1) <= 0.1, path
        if path not in fans:
            assert kernel["largest"] <= sqrt(6 / fan_in), path
        assert kernel["bias"] == 0


@pytest.mark.parametrize("target", TARGETS)
def test_a_bilinear_kernel_is_that_of_long_et_al_in_both_targets(
    target: str, found: dict[str, dict[str, Any]]
) -> None:
    # Factors 2 and 2, centers 1.5 and 1.
    tent = np.outer([0.25, 0.75, 0.75, 0.25], [0.5, 1, 0.5])
    alone = np.stack([tent[None], tent[None]])  # (I, O / groups, 4, 3)
    among = np.zeros((2, 2, 4, 3))
    among[0, 0] = among[1, 1] = tent
    kernels = found[target]["upsampling"]
    assert set(kernels) == {"conv_transpose1", "conv_transpose2.0", "conv_transpose2.1"}
    for path, kernel in kernels.items():
        wanted = among if path == "conv_transpose1" else alone
        if target == "keras":
            wanted = wanted.transpose(2, 3, 1, 0)
        assert kernel["first"] == wanted.ravel().tolist(), path
