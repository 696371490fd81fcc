"""The letters X and O: how they are drawn, and that a network learns them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.programs import TARGETS, Job, build, finish, metrics, spec_file
from tests.tiny import NO_PICTURE, module, spec


def test_letters_are_drawn_alike_in_both_programs_and_no_two_are_equal(
    tmp_path: Path,
) -> None:
    text = spec("x_or_o", 1, 9, 2)
    programs = [build(text, target, tmp_path / target) for target in TARGETS]
    first, second = (program / "data.py" for program in programs)
    assert first.read_bytes() == second.read_bytes()
    drawn = module(programs[0])
    data, again, other = (drawn.load(seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(data.x, again.x)
    assert (data.x != other.x).any()
    assert data.x.shape == (3000, 9, 9, 1)
    assert (len(data.train), len(data.validation)) == (2000, 1000)
    assert set(data.train) | set(data.validation) == set(range(3000))
    assert len(np.unique(data.x, axis=0)) == 3000
    assert np.bincount(data.y).tolist() == [1500, 1500]
    assert data.classes == ["x", "o"]
    values = (data.x / 255 - drawn.MEAN) / drawn.STD
    assert values.min() == -1 and values.max() == 1
    assert 0.5 < (values == -1).mean() < 0.8
    # A letter stays one: X has ink at its centre of mass, O has none.
    rows, columns = np.mgrid[:9, :9]
    for image, label in zip(values[:200, ..., 0] + 1, data.y[:200], strict=True):
        row, column = (
            round((image * axis).sum() / image.sum()) for axis in (rows, columns)
        )
        centre = image[row, column]
        assert (centre > 0.9) if label == 0 else (centre < 1.6)


def test_an_undistorted_cross_is_the_lectures(tmp_path: Path) -> None:
    drawn = module(build(spec("x_or_o", 1, 9, 2), "pytorch", tmp_path / "program"))
    expected = np.zeros((9, 9), bool)
    for place in range(1, 8):
        expected[place, place] = expected[place, 8 - place] = True
    cross = drawn.paint(drawn.cross())[..., 0]
    np.testing.assert_array_equal(cross > 127, expected)
    assert (cross[expected] == 255).all()
    ring = drawn.paint(drawn.ring())[..., 0]
    np.testing.assert_array_equal(ring, ring[::-1])
    np.testing.assert_array_equal(ring, ring.T)


@pytest.mark.parametrize("target", TARGETS)
def test_letters_of_any_size_and_colour_train(target: str, tmp_path: Path) -> None:
    text = spec("x_or_o", 3, 20, 1, ", samples: 300, unseen: 60").replace(
        "width: 20", "width: 16"
    )
    text = text.replace("epochs: 1", "epochs: 8")
    program = build(text, target, tmp_path / "program")
    jobs = [
        Job(program, "train.py", before=NO_PICTURE),
        Job(program, "data.py", ("--sample", "x.png", "--seed", "4")),
        Job(program, "predict.py", ("x.png",)),
    ]
    trained, sample, predicted = finish(jobs, tmp_path)
    assert trained.startswith("data: drawn letters X and O\n")
    assert "300 training and 60 validation samples" in trained
    assert metrics(program / "run")[-1]["val_accuracy"] > 0.8
    assert sample == "x.png: class x\n"
    assert {line.split()[1] for line in predicted.splitlines()[1:]} == {"x", "o"}
    with Image.open(tmp_path / "x.png") as image:
        assert (image.mode, image.size) == ("RGB", (16, 20))


@pytest.mark.parametrize("target", TARGETS)
def test_the_lectures_network_tells_unseen_letters_apart(
    target: str, tmp_path: Path
) -> None:
    text = spec_file("x_or_o").read_text()
    program = build(text, target, tmp_path / "program")
    jobs = [
        Job(program, "train.py", ("--seed", str(n), "--output", f"run{n}"), NO_PICTURE)
        for n in range(3)
    ]
    for printed in finish(jobs, tmp_path):
        assert "2000 training and 1000 validation samples" in printed
    last = [metrics(tmp_path / f"run{n}")[-1]["val_accuracy"] for n in range(3)]
    assert sum(last) / 3 >= 0.99
    assert min(last) >= 0.985
