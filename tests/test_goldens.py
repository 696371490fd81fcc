"""Models written by hand: the generator writes the same bytes, and no longer ones for deep nets."""

from __future__ import annotations

import pytest

from tests.programs import ROOT, TARGETS, files_of, spec_file

GOLDENS = ROOT / "tests" / "goldens"


def model_of(name: str, target: str) -> str:
    return files_of(spec_file(name).read_text("utf-8"), target)["model.py"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["resnet50", "googlenet"])
def test_a_model_is_what_was_written_by_hand(name: str, target: str) -> None:
    golden = GOLDENS / name / target / "model.py"
    assert model_of(name, target).encode() == golden.read_bytes()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "lines"), [("resnet152", 120), ("googlenet", 170)])
def test_a_deep_network_is_a_short_program(name: str, lines: int, target: str) -> None:
    assert len(model_of(name, target).splitlines()) <= lines


# Its bitmaps are constants, row by row.
LONG = {"lenet5"}


@pytest.mark.parametrize(
    "name", sorted({p.stem for p in (ROOT / "specs").glob("*.yaml")} - LONG)
)
def test_a_spec_is_at_most_70_lines(name: str) -> None:
    assert len(spec_file(name).read_text("utf-8").splitlines()) <= 70
