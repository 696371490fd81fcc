"""Networks of random structure: both generated models are the checked network."""

from __future__ import annotations

import random

import pytest

from cnnspec.compile import Checked
from tests.parity.harness import Outcome, assert_same_network, run_both
from tests.parity.renaming import BLOCKS
from tests.parity.structures import Refused, draw_structure

NETWORKS = 30

Drawn = dict[str, tuple[str, Checked]]


def draw_structures(seed: str, networks: int) -> tuple[Drawn, list[str]]:
    """Specs by name, and what a target has no words for."""
    source, drawn, refused = random.Random(seed), Drawn(), list[str]()
    while len(drawn) < networks:
        try:
            drawn[f"drawn-{len(drawn)}"] = draw_structure(source)
        except Refused as why:
            refused.append(str(why))
    return drawn, refused


@pytest.fixture(scope="module")
def structures() -> tuple[Drawn, list[str]]:
    return draw_structures("structures", NETWORKS)


@pytest.fixture(scope="module")
def outcomes(
    structures: tuple[Drawn, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    checked = {name: found for name, (_, found) in structures[0].items()}
    return run_both(checked, tmp_path_factory.mktemp("structures"))


@pytest.mark.parametrize("number", range(NETWORKS))
def test_both_models_of_a_drawn_structure_are_the_checked_network(
    number: int, structures: tuple[Drawn, list[str]], outcomes: dict[str, Outcome]
) -> None:
    name = f"drawn-{number}"
    try:
        assert_same_network(outcomes[name])
    except AssertionError as error:
        raise AssertionError(f"{structures[0][name][0]}\n{error}") from error


def test_drawn_structures_use_the_language(structures: tuple[Drawn, list[str]]) -> None:
    texts = [text for text, _ in structures[0].values()]
    for word in (
        "repeat",
        "when",
        "residual",
        "parallel",
        "let",
        "from",
        "with",
        "index",
        "inputs",
        "outputs",
        "loss",
        "round",
    ):
        assert sum(f'"{word}"' in t or f"({word}" in t for t in texts) >= 2, word
    assert sum(any(f'"{word}"' in t for word in BLOCKS) for t in texts) >= 5


def test_few_structures_have_no_words_in_a_target(
    structures: tuple[Drawn, list[str]],
) -> None:
    assert len(structures[1]) <= NETWORKS // 5, structures[1][0]
