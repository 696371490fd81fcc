"""What the dropouts drop in training, in both frameworks: how much, and what of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.parity.harness import (
    Outcome,
    arrays,
    assert_same_network,
    check_text,
    run_both,
)

MAPS = "{channels: 8, height: 3, width: 5}"
SIGNAL = "{channels: 8, length: 5}"
VOLUME = "{channels: 8, depth: 2, height: 3, width: 2}"
VECTOR = "{features: 20}"
TOKENS = "{length: 5, vocabulary: 7}"
LAYOUTS = {
    "maps": MAPS,
    "signal": SIGNAL,
    "volume": VOLUME,
    "vector": VECTOR,
    "sequence": TOKENS,
}
RATES = (0.1, 0.5, 0.75)
SAMPLES = 2000
DROPPED = -1.0507009873554805 * 1.6732632423543772  # selu's least value
CASES = [
    *(("spatial_dropout", layout) for layout in LAYOUTS if layout != "vector"),
    *(("drop_path", layout) for layout in LAYOUTS),
]


def spec(op: str, layout: str, rate: float) -> str:
    before = "{embedding: {features: 8}}, " if layout == "sequence" else ""
    return (
        f"cnnspec: 1\nname: net\ninput: {LAYOUTS[layout]}\n"
        f"layers: [{before}{{{op}: {{rate: {rate}}}}}]\n"
    )


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    cases = [*CASES, ("alpha_dropout", "maps"), ("alpha_dropout", "vector")]
    specs = {
        f"{op}-{layout}-{rate}": check_text(spec(op, layout, rate))
        for op, layout in cases
        for rate in RATES
    }
    return run_both(specs, tmp_path_factory.mktemp("dropouts"), samples=SAMPLES)


def trained(outcome: Outcome) -> list[tuple[Any, Any]]:
    """What enters and what leaves in training, in each framework."""
    assert_same_network(outcome)  # evaluation changes nothing
    inputs, _ = arrays(outcome, "outputs")
    return [(inputs["output"], found["output"]) for found in arrays(outcome, "trained")]


def assert_rate(dropped: Any, rate: float) -> None:
    """Within four standard errors of as many independent draws."""
    error = (rate * (1 - rate) / dropped.size) ** 0.5
    assert abs(dropped.mean() - rate) <= 4 * error


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("op", "layout"), CASES)
def test_whole_maps_or_samples_are_dropped_at_the_rate_and_the_rest_scaled(
    op: str, layout: str, rate: float, outcomes: dict[str, Outcome]
) -> None:
    axes = 2 if op == "spatial_dropout" else 1  # samples, and channels of maps
    for inputs, found in trained(outcomes[f"{op}-{layout}-{rate}"]):
        if layout == "sequence":  # its features, like channels, before its positions
            inputs, found = inputs.swapaxes(1, 2), found.swapaxes(1, 2)
        units = found.reshape(*found.shape[:axes], -1)
        kept = (units != 0).any(-1)
        assert_rate(~kept, rate)
        # What is kept is kept wholly, so no unit is dropped in part.
        ratio = units[kept] / inputs.reshape(units.shape)[kept]
        assert np.allclose(ratio, 1 / (1 - rate), rtol=1e-5)


@pytest.mark.parametrize("rate", RATES)
def test_spatial_dropout_draws_for_each_map_of_each_sample(
    rate: float, outcomes: dict[str, Outcome]
) -> None:
    for _, found in trained(outcomes[f"spatial_dropout-maps-{rate}"]):
        dropped = (found == 0).all((2, 3)).mean(1)
        assert dropped.std() > 0.05  # else samples would drop the same number of maps
        by_map = (found == 0).all((2, 3)).mean(0)
        assert np.abs(by_map - rate).max() <= 5 * (rate * (1 - rate) / SAMPLES) ** 0.5


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("layout", ["maps", "vector"])
def test_alpha_dropout_drops_single_numbers_and_keeps_mean_and_variance(
    layout: str, rate: float, outcomes: dict[str, Outcome]
) -> None:
    # Scaled by a and shifted by b, so that mean 0 and variance 1 stay.
    a = ((1 - rate) * (1 + rate * DROPPED**2)) ** -0.5
    b = -a * rate * DROPPED
    for inputs, found in trained(outcomes[f"alpha_dropout-{layout}-{rate}"]):
        dropped = np.isclose(found, a * DROPPED + b, atol=1e-6)
        kept = np.isclose(found, a * inputs + b, atol=1e-5)
        assert (dropped | kept).all()
        assert_rate(dropped, rate)
        by_sample = dropped.reshape(len(dropped), -1)
        assert not (by_sample == by_sample[:, :1]).all()
        assert abs(found.mean()) < 0.05
        assert abs(found.var() - 1) < 0.05
