"""The commands build and train: what they say, write and run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnspec.emit import writer
from tests.programs import TARGETS, command, contents, spec_file

LENET = spec_file("lenet5_modern").read_text()


def test_errors_of_the_spec_write_nothing(tmp_path: Path) -> None:
    text = LENET.replace("kernel: 5", "kernel: 0", 1)
    for name in ("build", "train"):
        status, output = command(
            name, "-", "--target", "keras", "-o", tmp_path / "program", input=text
        )
        assert status == 1
        assert "error[CS107]" in output
    assert list(tmp_path.iterdir()) == []


def test_warnings_of_the_spec_are_shown(tmp_path: Path) -> None:
    text = spec_file("mit_6s191").read_text()
    text = "\n".join(line for line in text.splitlines() if "allow" not in line)
    status, output = command(
        "build", "-", "--target", "keras", "-o", tmp_path / "program", input=text
    )
    assert status == 0
    assert "warning[CS401]" in output


@pytest.mark.parametrize("target", TARGETS)
def test_train_builds_and_runs_the_program_in_its_own_process(
    target: str, tmp_path: Path
) -> None:
    """The console script, from another folder; the exit status is the program's."""
    line = [
        *(sys.executable, "-c", "from cnnspec.cli import main; main()"),
        *("train", str(spec_file("lenet5_modern")), "--target", target),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*line, "--", "--epochs", "1"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / f"lenet5_modern-{target}"
    assert f"weights, metrics and curves are in {folder / 'run'}" in done.stdout
    assert (folder / "run" / "best.safetensors").exists()
    if target == "pytorch":
        wrong = subprocess.run(
            [*line, "--", "--epochs", "0"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert wrong.returncode == 2
        assert "--epochs and --batch-size start at 1" in wrong.stderr


def test_train_names_the_requirements_of_a_program_whose_packages_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cnnspec.commands.train.find_spec",
        lambda name: None if name in ("torch", "PIL") else name,
    )
    folder = tmp_path / "my program"
    arguments = ("train", "-", "--target", "pytorch", "-o", folder)
    status, output = command(*arguments, input=LENET)
    assert status == 2
    assert (
        "error: pillow, torch are not installed here: python -m pip install -r "
        f"'{folder / 'requirements.txt'}'\n"
    ) in output


SMALL = """\
cnnspec: 1
name: small
input: {channels: 1, height: 8, width: 8}
layers:
  - flatten
  - dense: {units: 10}
"""
CHOICES = {
    SMALL: "data: scikit-learn's digits (the spec names none)\n",
    SMALL.replace(
        "10", "12"
    ): "data: synthetic: the network has 12 outputs, digits has 10 classes\n",
    SMALL.replace(
        "channels: 1", "channels: 2"
    ): "data: synthetic: the network takes an "
    "image of 2x8x8, digits are images of 1 or 3 channels\n",
    f"{SMALL}data: {{source: synthetic}}\n": "",
}


@pytest.mark.parametrize("text", CHOICES)
def test_a_build_says_what_data_it_chose_and_why(text: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    status, output = command(
        "build", "-", "--target", "keras", "-o", program, input=text
    )
    assert status == 0
    assert output.split("train.py\n", 1)[1] == CHOICES[text]
    source = "digits" if "learn's" in CHOICES[text] else "synthetic"
    words = {"digits": "scikit-learn's digits", "synthetic": "synthetic patterns"}
    none = " (the spec names none)" if "data:" not in text else ""
    assert f'SOURCE = "{words[source]}{none}"' in (program / "data.py").read_text()


UNTRAINABLE = {
    "its outputs have different numbers of values, and no `data` says what each is "
    "compared with": "input: {features: 4}\nlayers:\n  - head: {name: other, layers: "
    "[{dense: {units: 2}}]}\n  - dense: {units: 3}\n",
    "its output is an image of 4x6x6, and labels are compared with a vector (an "
    "autoencoder needs `target: input` in `train`)": "input: {channels: 1, height: 8, width: 8}\n"
    "layers:\n  - conv: {filters: 4, kernel: 3}\n",
    "it has 2 inputs, and no source of data gives several": "inputs: {left: {features: 4}, right: {features: 4}}\nlayers:\n"
    "  - dense: {units: 3}\n    from: left\n    name: first\n  - dense: {units: 3}\n"
    "    from: right\n  - add: {with: [first]}\n",
    "it has no weights to learn": "input: {features: 4}\nlayers:\n  - relu\n",
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("reason", UNTRAINABLE)
def test_what_cannot_be_trained_yet_is_built_without_training(
    reason: str, target: str, tmp_path: Path
) -> None:
    text = "cnnspec: 1\nname: example\n" + UNTRAINABLE[reason]
    program = tmp_path / "program"
    status, output = command(
        "build", "-", "--target", target, "-o", program, input=text
    )
    assert status == 0
    assert output.endswith(
        f"no train.py: this network can't be trained yet, because {reason} (CS520)\n"
    )
    names = {"README.md", "model.py", "requirements.txt", "spec.yaml"}
    assert set(contents(program)) == names | {writer.RECORD}
    assert f"because {reason}" in " ".join((program / "README.md").read_text().split())
    status, output = command(
        "train", "-", "--target", target, "-o", tmp_path / "other", input=text
    )
    assert status == 1
    assert f"error[CS520]: this network can't be trained yet: {reason}" in output
    assert not (tmp_path / "other").exists()
