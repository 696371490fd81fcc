"""A few hundred drawn specs, and all that long runs found: every reading of a spec agrees."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from cnnspec.compile import check_source
from cnnspec.layers import OPERATIONS
from cnnspec.source import SourceFile
from tests.fuzz import campaign
from tests.fuzz.agreement import disagreement, failure
from tests.fuzz.breaking import broken, broken_specs
from tests.fuzz.campaign import FOUND, Campaign, compare_text
from tests.fuzz.shrinking import shrink, shrink_text
from tests.fuzz.sides import Sides
from tests.fuzz.specs import AIMS, Drawn, draw_spec, uses_of, valid_specs
from tests.fuzz.state import State

SEED = 2026
WITH_OUTPUTS = 6  # each so many-th

found_files = pytest.mark.parametrize(
    "path", sorted(FOUND.glob("*.yaml")), ids=lambda path: path.stem
)
many = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    with Sides() as sides:
        yield sides


@pytest.fixture(scope="module")
def drawn() -> dict[int, Drawn]:
    """One spec for each operation, and for each of its fields off the default."""
    return {number: draw_spec(SEED, number) for number in range(len(AIMS))}


def test_drawn_specs_use_every_operation_and_every_field(
    drawn: dict[int, Drawn],
) -> None:
    uses = sum((uses_of(d.checked) for d in drawn.values()), start=campaign.Counter())
    for op, cls in OPERATIONS.items():
        assert uses[op] >= 1 + len(cls.fields) // 2, op
        for field in cls.fields:
            assert uses[f"{op}.{field}"], (op, field)


def test_both_models_of_drawn_specs_are_the_checked_network(
    drawn: dict[int, Drawn], sides: Sides
) -> None:
    specs = {number: (d.checked, d.models) for number, d in drawn.items()}
    with_outputs = {number for number in specs if number % WITH_OUTPUTS == 0}
    found = sides.run(specs, with_outputs)
    assert not found, "\n\n".join(
        f"{drawn[n].text}\n{what}" for n, what in found.items()
    )


@many
@given(valid_specs())
def test_schema_check_and_build_agree_about_a_valid_spec(drawn: Drawn) -> None:
    assert disagreement(drawn, random.Random(drawn.text), share=0.2) is None


@many
@given(broken_specs())
def test_a_broken_spec_gets_diagnostics_that_the_schema_agrees_with(text: str) -> None:
    assert failure(text) is None


@found_files
def test_what_a_long_run_found_is_mended(path: Path, sides: Sides) -> None:
    text = path.read_text(encoding="utf-8")
    assert failure(text) is None
    if not path.stem.startswith("broken"):
        found = compare_text(json.dumps(yaml.safe_load(text)), sides)
        assert found is None


def test_a_spec_is_drawn_again_from_its_seed_and_number_alone() -> None:
    assert draw_spec(SEED, 77).text == draw_spec(SEED, 77).text
    assert len({draw_spec(seed, 77).text for seed in range(5)}) == 5
    text = draw_spec(SEED, 77).text
    assert broken(text, random.Random(3)) == broken(text, random.Random(3))


class Stub:
    """Stands for a framework, for `Sides` and for a batch; ends the run where it is told to."""

    room = Path()
    ends_after = 10**9

    def __init__(self, *_: Any) -> None:
        self.pytorch = self.keras = self

    def __enter__(self) -> Stub:
        return self

    def __exit__(self, *_: object) -> None: ...

    def send(self, batch: Any) -> None: ...

    def wait(self, batch: Any) -> None:
        Stub.ends_after -= 1
        if Stub.ends_after < 0:
            raise KeyboardInterrupt

    def hand_over(self) -> None: ...

    def findings(self) -> dict[int, str]:
        return {}


def held(state: State) -> dict[str, Any]:
    return {n: v for n, v in vars(state).items() if n not in ("path", "seconds")}


@pytest.mark.parametrize("ends_after", [0, 1, 2, 3, 5])
def test_a_run_that_is_ended_goes_on_to_the_same_figures(
    ends_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "Sides", Stub)
    monkeypatch.setattr(campaign, "Batch", Stub)
    monkeypatch.setattr(campaign, "BATCH", 4)
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    Stub.ends_after = 10**9
    Campaign(State(whole, SEED, 0.5)).run(15)
    Stub.ends_after = ends_after
    with pytest.raises(KeyboardInterrupt):
        Campaign(State(parts, SEED, 0.5)).run(15)
    Stub.ends_after = 10**9
    Campaign(State(parts, SEED, 0.5)).run(15)
    assert held(State(parts, SEED, 0.5)) == held(State(whole, SEED, 0.5))
    assert State(parts, SEED, 0.5).done == 15


def test_a_state_is_of_one_seed(tmp_path: Path) -> None:
    State(tmp_path / "state.json", 1, 0.1).save()
    with pytest.raises(SystemExit, match="is of seed 1"):
        State(tmp_path / "state.json", 2, 0.1)


def test_a_finding_shrinks_to_what_it_needs() -> None:
    text = next(
        t for t in (draw_spec(SEED, n).text for n in range(60)) if '"residual"' in t
    )

    def fails(smaller: str) -> bool:
        checked = check_source(SourceFile("spec.yaml", smaller), {})
        return not checked.has_errors and len(smaller) > 90

    smaller = shrink(text, fails)
    assert fails(smaller)
    assert len(smaller) < min(len(text), 130)
    assert shrink_text("a\nb: $(\nc" * 9, lambda t: "$(" in t) == "$("
