"""The lectures' filters as constants: their figures come out of both generated models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy.ndimage import correlate
from sklearn.datasets import load_sample_image

from cnnspec.compile import check_file
from cnnspec.emit.build import TARGETS
from tests.parity.harness import check_text
from tests.showing import Shown, show

SPECS = Path(__file__).parent.parent / "specs"
EXAMPLES = yaml.safe_load(
    (Path(__file__).parent / "facts" / "worked_examples.yaml").read_text()
)
FIGURES = EXAMPLES["convolutions"]
POOL = "cnnspec: 1\nname: net\ninput: {channels: 1, height: 4, width: 4}\n" + (
    "layers: [{max_pool: {kernel: 2, stride: 2}}]\n"
)
EDGES = {
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "edge": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "strong_edge": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "vertical_edge": [[1, 0, -1], [1, 0, -1], [1, 0, -1]],
}
LETTERS = ("diagonal", "cross", "antidiagonal")


def letter_x() -> Any:
    """1 on both diagonals of the inner 7x7 of 9x9 pixels, -1 elsewhere."""
    image = -np.ones((9, 9))
    for i in range(1, 8):
        image[i, i] = image[i, 8 - i] = 1
    return image


def photograph() -> Any:
    """As grey numbers from 0 to 1."""
    grey = Image.fromarray(load_sample_image("china.jpg")).convert("L")
    return np.asarray(grey) / 255


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Shown]]:
    edges = str(SPECS / "edge_filters.yaml")
    specs = {
        "x_or_o": check_file(str(SPECS / "x_or_o_filters.yaml"), {}),
        "columns": check_file(edges, {"height": 6, "width": 6}),
        "photograph": check_file(edges, {}),
        "pool": check_text(POOL),
    }
    images = {
        "x_or_o": letter_x(),
        "columns": np.tile([8, 8, 8, 0, 0, 0], (6, 1)),
        "photograph": photograph(),
        "pool": np.array(EXAMPLES["max_pool_2_2"]["image"]),
    }
    inputs = {name: image[None, None] for name, image in images.items()}
    return show(specs, inputs, tmp_path_factory.mktemp("filters"))


def cut(values: Any) -> Any:
    """To two places, as the lecture's slides are; 1e-6 for what float32 rounds down."""
    exact = np.asarray(values, np.float64)
    return (np.trunc((exact + np.sign(exact) * 1e-6) * 100) / 100).tolist()


@pytest.mark.parametrize("target", TARGETS)
def test_a_filter_on_the_letter_x_gives_the_lectures_map(
    target: str, shown: dict[str, dict[str, Shown]]
) -> None:
    maps = shown[target]["x_or_o"].outputs["strokes"][0]
    found = cut(maps[LETTERS.index("diagonal")])
    assert found == FIGURES["x_or_o"]["diagonal_map"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", LETTERS)
def test_pooled_maps_of_the_letter_x_are_the_lectures(
    name: str, target: str, shown: dict[str, dict[str, Shown]]
) -> None:
    model = shown[target]["x_or_o"]
    number = LETTERS.index(name)
    kernel = model.weights["strokes.weight"][number, 0] * 9
    assert np.allclose(kernel, FIGURES["x_or_o"]["filters"][name])
    found = cut(model.outputs["pooled"][0, number])
    assert found == FIGURES["x_or_o"]["pooled_2_2_ceil"][name]


@pytest.mark.parametrize("target", TARGETS)
def test_a_vertical_edge_gives_the_lectures_rows(
    target: str, shown: dict[str, dict[str, Shown]]
) -> None:
    found = shown[target]["columns"].outputs["vertical_edge"][0, 0]
    example = FIGURES["vertical_edge"]
    assert EDGES["vertical_edge"] == example["kernel"]
    assert found.tolist() == [example["each_row"]] * 4


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", EDGES)
def test_edges_of_a_photograph_are_those_of_scipy(
    name: str, target: str, shown: dict[str, dict[str, Shown]]
) -> None:
    found = shown[target]["photograph"].outputs[name][0, 0]
    # What sees beyond the photograph's border is not computed.
    expected = correlate(photograph(), np.array(EDGES[name]))[1:-1, 1:-1]
    assert found.shape == (425, 638)
    assert np.abs(found - expected).max() <= 1e-5


@pytest.mark.parametrize("target", TARGETS)
def test_max_pooling_gives_the_lectures_numbers(
    target: str, shown: dict[str, dict[str, Shown]]
) -> None:
    found = shown[target]["pool"].outputs["output"][0, 0]
    assert found.tolist() == EXAMPLES["max_pool_2_2"]["out"]
