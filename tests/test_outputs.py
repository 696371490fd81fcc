"""Programs of several outputs and of autoencoders: what they learn, record and refuse."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from torch.nn import functional as F

from cnnspec.compile import check_source
from cnnspec.source import SourceFile
from tests.programs import TARGETS, Job, build, command, files_of, finish, metrics, run
from tests.test_programs import NO_PICTURE

INPUT = "cnnspec: 1\nname: example\ninput: {channels: 1, height: 8, width: 8}\n"
TRUNK = "layers:\n  - conv: {filters: 8, kernel: 3, padding: 1, activation: relu}\n"
END = (
    "  - conv: {filters: 16, kernel: 3, stride: 2, padding: 1, activation: relu}\n"
    "  - flatten\n  - dense: {units: 10}\n"
)
DIGITS = "data: {source: digits}\n"


def heads(serve: str, train: str, data: str = DIGITS) -> str:
    head = (
        f"  - head: {{name: early, loss_weight: 0.3, serve: {serve}, "
        "layers: [flatten, dense: {units: 10}]}\n"
    )
    return f"{INPUT}{TRUNK}{head}{END}{data}train: {train}\n"


AUXILIARY = heads("false", "{epochs: 3}")
MIXED = heads(
    "true", "{epochs: 3, loss: {early: mean_squared_error, output: cross_entropy}}"
)
AUTOENCODER = (
    f"{INPUT}{TRUNK}  - max_pool: {{kernel: 2}}\n"
    f"  - conv_transpose: {{filters: 1, kernel: 2, stride: 2}}\n{DIGITS}"
    "train: {epochs: 6, target: input, optimizer: {adam: {learning_rate: 0.01}}}\n"
)
VECTORS = (
    "cnnspec: 1\nname: example\ninput: {features: 6}\nlayers:\n"
    "  - dense: {units: 8, activation: relu}\n"
    "  - head: {name: early, layers: [dense: {units: 3}]}\n"
    "  - dense: {units: 2}\n"
    "data: {source: arrays, path: vectors, normalize: {mean: 0, std: 1}}\n"
    "train: {epochs: 20, loss: {output: cross_entropy, early: mean_squared_error}, "
    "optimizer: {adam: {learning_rate: 0.01}}}\n"
)


def columns(folder: Path) -> list[str]:
    with open(folder / "metrics.csv", newline="") as file:
        return next(csv.reader(file))


def write_vectors(folder: Path) -> None:
    """x, whose sign is a class and whose first three numbers, doubled, are to be found."""
    folder.mkdir()
    x = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", (x[:, 0] > 0).astype(np.int32))
    np.save(folder / "y_early.npy", x[:, :3].astype(np.float64) * 2)


@pytest.mark.parametrize("target", TARGETS)
def test_several_outputs_and_autoencoders_learn(target: str, tmp_path: Path) -> None:
    write_vectors(tmp_path / "vectors")
    reproduced = VECTORS.partition("train:")[0].replace("units: 2}", "units: 6}")
    reproduced = reproduced.replace("units: 3}", "units: 6}")
    specs = {
        "auxiliary": AUXILIARY,
        "mixed": MIXED,
        "autoencoder": AUTOENCODER,
        "vectors": VECTORS,
        "reproduced": reproduced + "train: {epochs: 20, target: input}\n",
    }
    programs = {name: build(specs[name], target, tmp_path / name) for name in specs}
    jobs = [Job(program, "train.py") for program in programs.values()]
    for name, program in programs.items():
        sample = f"{name}.png" if "source: digits" in specs[name] else f"{name}.npy"
        jobs.append(Job(program, "data.py", ("--sample", sample)))
        jobs.append(Job(program, "predict.py", (sample,)))
    printed = finish(jobs, tmp_path)
    for program in programs.values():
        rows = metrics(program / "run")
        assert rows[-1]["train_loss"] < 0.8 * rows[0]["train_loss"], program
        assert rows[-1]["val_loss"] < 0.8 * rows[0]["val_loss"], program
        assert (program / "run" / "curves.png").stat().st_size > 0
    both = ["output_loss", "output_accuracy", "early_loss", "early_accuracy"]
    train = ["epoch", "train_loss", *(f"train_{name}" for name in both)]
    assert columns(programs["mixed"] / "run") == [
        *train,
        "val_loss",
        *(f"val_{name}" for name in both),
        "seconds",
    ]
    assert columns(programs["auxiliary"] / "run") == [
        *train,
        "val_loss",
        "val_output_loss",
        "val_output_accuracy",
        "seconds",
    ]
    last = metrics(programs["auxiliary"] / "run")[-1]
    assert last["val_loss"] == pytest.approx(last["val_output_loss"])
    assert last["train_loss"] == pytest.approx(
        last["train_output_loss"] + 0.3 * last["train_early_loss"]
    )
    assert last["val_output_accuracy"] > 0.7
    last = metrics(programs["mixed"] / "run")[-1]
    assert last["val_loss"] == pytest.approx(
        last["val_output_loss"] + 0.3 * last["val_early_loss"]
    )
    assert metrics(programs["vectors"] / "run")[-1]["val_output_accuracy"] > 0.8
    assert columns(programs["autoencoder"] / "run")[1:3] == [
        "train_loss",
        "train_mean_absolute_error",
    ]
    predicted = dict(zip(specs, printed[len(specs) + 1 :: 2], strict=True))
    lines = predicted["auxiliary"].splitlines()
    assert lines[0] == "auxiliary.png"
    assert len(lines) == 6
    lines = predicted["mixed"].splitlines()
    assert lines[1::6] == ["  output", "  early"]
    assert len(predicted["vectors"].splitlines()) == 1 + (1 + 2) + (1 + 3)
    assert predicted["autoencoder"].startswith("autoencoder.png: mean squared error 0.")
    made = np.asarray(Image.open(tmp_path / "autoencoder-output.png"), float)
    given = np.asarray(Image.open(tmp_path / "autoencoder.png"), float)
    assert made.shape == given.shape == (8, 8)
    assert np.abs(made - given).mean() < given.std() / 2
    assert np.load(tmp_path / "reproduced-output.npy").shape == (6,)


KEEP = """
import model, numpy as np
made = model.Example
def keep():
    found = made()
    np.savez("weights.npz", **{k: v.numpy() for k, v in found.state_dict().items()})
    return found
model.Example = keep
"""
TAKE = """
import model, numpy as np
made = model.example
def take(training=False):
    found = made(training=training)
    for key, value in np.load("weights.npz").items():
        layer, _, name = key.rpartition(".")
        layer = found.get_layer(layer)
        axes = (2, 3, 1, 0) if value.ndim == 4 else (1, 0)
        if name == "weight":
            layer.kernel.assign(value.transpose(axes))
        else:
            layer.bias.assign(value)
    return found
model.example = take
"""
LOAD_TRAINING_SET = """
import numpy as np
from data import load
data = load(0)
np.savez("digits.npz", x=data.x[data.train], y=data.y[data.train])
"""


def test_the_first_step_is_the_one_that_weights_and_losses_give(tmp_path: Path) -> None:
    """One step of the whole training set; the reference computes it without cnnspec's loop."""
    losses = "{early: mean_squared_error, output: cross_entropy}"
    optimizer = "{sgd: {learning_rate: 0.5}}"
    text = heads("false", f"{{epochs: 1, loss: {losses}, optimizer: {optimizer}}}")
    befores = dict(zip(TARGETS, (KEEP + LOAD_TRAINING_SET, TAKE), strict=True))
    programs = {}
    for target in TARGETS:
        programs[target] = build(text, target, tmp_path / target)
        job = Job(
            programs[target],
            "train.py",
            ("--batch-size", "2000"),
            f"{NO_PICTURE}\n{befores[target]}",
        )
        finish([job], tmp_path)
    with np.load(tmp_path / "digits.npz") as digits:
        x = (torch.from_numpy(digits["x"]).permute(0, 3, 1, 2) / 255 - 0.3) / 0.35
        y = torch.from_numpy(digits["y"])
    with np.load(tmp_path / "weights.npz") as first:
        w = {k: torch.from_numpy(v).requires_grad_() for k, v in first.items()}
    trunk = F.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=1).relu()
    early = F.linear(trunk.flatten(1), w["dense1.weight"], w["dense1.bias"])
    flow = F.conv2d(trunk, w["conv2.weight"], w["conv2.bias"], stride=2, padding=1)
    output = F.linear(flow.relu().flatten(1), w["dense2.weight"], w["dense2.bias"])
    one_hot = F.one_hot(y, 10).float()
    main, auxiliary = F.cross_entropy(output, y), (early - one_hot).square().mean()
    loss = main + 0.3 * auxiliary
    slopes = torch.autograd.grad(loss, list(w.values()))
    for target, program in programs.items():
        (row,) = metrics(program / "run")
        assert row["train_loss"] == pytest.approx(loss.item(), rel=1e-5)
        assert row["train_output_loss"] == pytest.approx(main.item(), rel=1e-5)
        assert row["train_early_loss"] == pytest.approx(auxiliary.item(), rel=1e-5)
        learned = load_file(program / "run" / "last.safetensors")
        for (name, value), slope in zip(w.items(), slopes, strict=True):
            assert slope.abs().max() > 1e-4
            expected = (value - 0.5 * slope).detach().numpy()
            found = learned[name] if target == "pytorch" else from_keras(learned, name)
            np.testing.assert_allclose(found, expected, atol=1e-5)


def from_keras(weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    layer, _, kind = name.rpartition(".")
    if kind == "bias":
        return weights[f"{layer}/bias"]
    kernel = weights[f"{layer}/kernel"]
    return kernel.transpose((3, 2, 0, 1) if kernel.ndim == 4 else (1, 0))


SOURCES = {
    "digits": "{source: digits}",
    "synthetic": "{source: synthetic}",
    "image_folder": "{source: image_folder, path: images}",
    "csv": "{source: csv, path: table.csv}",
    "arrays": "{source: arrays, path: a.npz, normalize: {mean: [0.5], std: [0.2]}}",
    "x_or_o": "{source: x_or_o}",
}
TRAINED = (
    "{target: input}",
    "{target: input, optimizer: {sgd: {momentum: 0.9, weight_decay: 0.1}}, "
    "schedule: {cosine: {final_rate: 1e-4}}, warmup: 1, warmup_from: 0.1, clip_norm: 1}",
    "{}",
    "{loss: mean_squared_error, optimizer: {sgd: {weight_decay: 0.1}}}",
    "{loss: binary_cross_entropy, schedule: {step: {milestones: [3]}}, clip_norm: 1}",
    "{loss: {output: binary_cross_entropy, a_head_with_a_very_long_name: "
    "mean_squared_error}}",
)


def drawn_programs() -> dict[str, str]:
    """Specs of all sources and kinds of training, with heads that serve and that don't."""
    found = {}
    for source, data in SOURCES.items():
        units = 2 if source == "x_or_o" else 10
        for number, train in enumerate(TRAINED):
            end = ["flatten", f"dense: {{units: {units}}}"]
            if "target: input" in train:
                end = ["conv: {filters: 1, kernel: 3, padding: 1}"]
            for serve in ("true", "false"):
                found[f"{source}{number}{serve}"] = (
                    f"{INPUT}{TRUNK}  - head:\n      name: a_head_with_a_very_long_name\n"
                    f"      serve: {serve}\n      loss_weight: 0.25\n      layers:\n"
                    + "".join(f"        - {entry}\n" for entry in end)
                    + "".join(f"  - {entry}\n" for entry in end)
                    + f"data: {data}\ntrain: {train}\n"
                )
            if "a_head" not in train:
                found[f"{source}{number}alone"] = (
                    f"{INPUT}{TRUNK}"
                    + "".join(f"  - {entry}\n" for entry in end)
                    + f"data: {data}\ntrain: {train}\n"
                )
    return found


def test_programs_of_all_sources_are_as_ruff_writes_them(tmp_path: Path) -> None:
    for name, text in drawn_programs().items():
        for target in TARGETS:
            place = tmp_path / name / target
            place.mkdir(parents=True)
            for file, written in files_of(text, target).items():
                (place / file).write_text(written, encoding="utf-8")
                if file.endswith(".py"):
                    assert max(map(len, written.splitlines())) <= 88, (name, file)
            # Its imports of its own files are sorted as such only in a folder of its own.
            (place / "pyproject.toml").write_text("[tool.ruff]\nsrc = ['.']\n")
    for order in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *order, "--no-cache", "."]
        done = subprocess.run(
            ruff, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:]


FAULTS = {
    "lacking": "has neither an array y_early nor y",
    "floats": r"y of output is float64 of shape (5,), not one integer a sample",
    "labels": "labels of output are 0 to 2, not 0 to 1",
    "narrow": "y of early is float64 of shape (5, 2), not (N, 3)",
    "infinite": "y of early has values that are not finite",
    "short": "x has 5 samples, y of early 4",
}


def test_arrays_of_outputs_are_named_with_their_fault(tmp_path: Path) -> None:
    right: dict[str, Any] = {
        "x": np.zeros((5, 6)),
        "y_output": np.array([0, 1, 0, 1, 1]),
        "y_early": np.zeros((5, 3)),
    }
    wrong: dict[str, dict[str, Any]] = {
        "lacking": {"y_early": None},
        "floats": {"y_output": np.zeros(5)},
        "labels": {"y_output": np.array([0, 1, 2, 0, 1])},
        "narrow": {"y_early": np.zeros((5, 2))},
        "infinite": {"y_early": np.full((5, 3), np.inf)},
        "short": {"y_early": np.zeros((4, 3))},
    }
    for name, arrays in wrong.items():
        found = {k: v for k, v in (right | arrays).items() if v is not None}
        np.savez(tmp_path / f"{name}.npz", **found)
    program = build(VECTORS, "pytorch", tmp_path / "program")
    jobs = [Job(program, "data.py", ("--data", f"{name}.npz")) for name in FAULTS]
    for name, outcome in zip(FAULTS, run(jobs, tmp_path), strict=True):
        assert outcome.status == f"error: {name}.npz: {FAULTS[name]}"


def found(text: str) -> list[str]:
    checked = check_source(SourceFile("spec.yaml", text), {})
    return [d.code for d in checked.diagnostics]


def test_numbers_of_a_table_are_as_many_as_every_output_has() -> None:
    data = "data: {source: csv, path: a.csv}\n"
    text = heads("true", "{loss: mean_squared_error}", data)
    assert found(text) == []
    assert found(text.replace("dense: {units: 10}]", "dense: {units: 9}]")) == ["CS519"]
    labels = text.replace("loss: mean_squared_error", "loss: cross_entropy")
    assert found(labels.replace("units: 10}]", "units: 9}]")) == ["CS519"]
    one = labels.replace("units: 10}\n", "units: 2}\n").replace(
        "units: 10}]", "units: 1}]"
    )
    one = one.replace(
        "loss: cross_entropy",
        "loss: {output: cross_entropy, early: binary_cross_entropy}",
    )
    assert found(one) == []


UNTRAINED = {
    "inputs: {a: {features: 3}, b: {features: 3}}\nlayers:\n  - dense: {units: 2}\n"
    "    from: a\n  - add: {with: [b2]}\n": "it has 2 inputs, and no source of data",
    "input: {length: 4, vocabulary: 9}\nlayers:\n  - embedding: {features: 2}\n"
    "  - flatten\n  - dense: {units: 2}\n": "its input is tokens, and no source of",
    "input: {features: 3}\nlayers:\n  - head: {name: a, layers: [dense: {units: 5}]}\n"
    "  - dense: {units: 2}\n": "its outputs have different numbers of values",
    "input: {channels: 3, height: 4, width: 4}\nlayers:\n"
    "  - conv: {filters: 3, kernel: 1}\n": "its output is an image of 3x4x4, and labels",
}


@pytest.mark.parametrize("text", UNTRAINED)
def test_what_is_not_trained_yet_is_said_with_what_is_missing(text: str) -> None:
    reason = UNTRAINED[text]
    text = "cnnspec: 1\nname: example\n" + text.replace(
        "  - add: {with: [b2]}\n",
        "    name: a2\n  - dense: {units: 2}\n    from: b\n  - add: {with: [a2]}\n",
    )
    status, printed = command("train", "-", "--target", "pytorch", input=text)
    assert status == 1
    assert f"this network can't be trained yet: {reason}" in printed
    assert "CS520" in printed
    assert "train.py" not in files_of(text, "pytorch")
