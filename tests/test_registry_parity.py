"""Every operation of the registry, drawn over its fields, in both frameworks."""

from __future__ import annotations

import random
from collections.abc import Collection

import numpy as np
import pytest

from cnnspec.fields import Names
from cnnspec.layers import OPERATIONS
from tests.parity.drawing import Count, Drawn, draw
from tests.parity.harness import (
    Outcome,
    arrays,
    assert_same_network,
    check_text,
    run_both,
)

PLAIN, IN_BLOCK = 10, 6  # specs of each kind; fields need more where there are many
WITHOUT_FIELDS = 0.5  # of them, for an operation that has no fields
PER_FIELD = 2
RATES = (0.1, 0.5, 0.75)
DROPOUT = """
cnnspec: 1
name: net
input: {{features: 20000}}
layers: [{{dropout: {{rate: {rate}}}}}]
"""


class Batch:
    """All specs that were drawn, by operation, and what each came to."""

    def __init__(self) -> None:
        self.drawn: dict[str, list[Drawn]] = {}
        self.counts: dict[str, Count] = {}
        self.outcomes: dict[str, Outcome] = {}


def draw_all(seed: str, share: float = 1, ops: Collection[str] = OPERATIONS) -> Batch:
    batch = Batch()
    for op in ops:
        cls = OPERATIONS[op]
        source, count = random.Random(f"{seed} {op}"), Count()
        extra = PER_FIELD * len(cls.fields)
        own = share if extra else share * WITHOUT_FIELDS
        blocks = [False] * int(own * (PLAIN + extra)) + [True] * int(
            own * (IN_BLOCK + extra)
        )
        batch.drawn[op] = [draw(op, source, block, count) for block in blocks]
        batch.counts[op] = count
    return batch


@pytest.fixture(scope="module")
def batch(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Batch:
    """Of the operations whose tests run: `-k gelu` draws no others."""
    wanted = {
        item.callspec.params.get("op")
        for item in request.session.items
        if item.path == request.path and hasattr(item, "callspec")
    }
    batch = draw_all("registry", ops=[op for op in OPERATIONS if op in wanted])
    specs = {
        f"{op}-{number}": drawn.checked
        for op, group in batch.drawn.items()
        for number, drawn in enumerate(group)
    }
    specs |= {f"rate-{rate}": check_text(DROPOUT.format(rate=rate)) for rate in RATES}
    batch.outcomes = run_both(specs, tmp_path_factory.mktemp("registry"))
    return batch


@pytest.mark.parametrize("op", OPERATIONS)
def test_both_models_agree_for_drawn_values_of_each_field(
    op: str, batch: Batch
) -> None:
    for number, drawn in enumerate(batch.drawn[op]):
        try:
            assert_same_network(batch.outcomes[f"{op}-{number}"])
        except AssertionError as error:
            raise AssertionError(f"{drawn.text}\n{error}") from error


@pytest.mark.parametrize("op", OPERATIONS)
def test_no_field_stays_at_its_default_and_few_specs_are_refused(
    op: str, batch: Batch
) -> None:
    uses = [use for drawn in batch.drawn[op] for use in drawn.uses]
    for name, field in OPERATIONS[op].fields.items():
        seen = {repr(use[name]) for use in uses if name in use}
        moved = seen - {repr(field.default)}
        # A required field has no default: then it must take different values.
        assert len(moved) >= (2 if field.required else 1), (name, seen)
        if isinstance(field, Names):
            most = OPERATIONS[op].arity[1]
            named = 2 if most is None else most - 1
            assert max(len(use[name]) for use in uses) >= named
    count = batch.counts[op]
    share = 1 if OPERATIONS[op].fields else WITHOUT_FIELDS
    assert count.accepted >= share * (PLAIN + IN_BLOCK)
    # What a target has no words for (CS501) must stay rare.
    assert count.inexpressible <= count.accepted // 2


@pytest.mark.parametrize("op", OPERATIONS)
def test_most_outputs_are_not_constant(op: str, batch: Batch) -> None:
    alive = 0
    for number in range(len(batch.drawn[op])):
        ours, _ = arrays(batch.outcomes[f"{op}-{number}"], "outputs")
        alive += any(np.ptp(value) > 0 for value in ours.values())
    assert alive >= 0.7 * len(batch.drawn[op])


@pytest.mark.parametrize("rate", RATES)
def test_dropout_in_training_drops_its_rate_and_scales_the_rest(
    rate: float, batch: Batch
) -> None:
    outcome = batch.outcomes[f"rate-{rate}"]
    assert_same_network(outcome)
    inputs, _ = arrays(outcome, "outputs")
    for trained in arrays(outcome, "trained"):
        kept = trained["output"] != 0
        # 120,000 draws: the standard error is at most 0.0015.
        assert abs((1 - kept.mean()) - rate) <= 0.007
        ratio = trained["output"][kept] / inputs["output"][kept]
        assert np.allclose(ratio, 1 / (1 - rate), rtol=1e-5)
