"""Generated programs run: they learn, agree with each other, and say what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.programs import (
    ROOT,
    TARGETS,
    Job,
    build,
    finish,
    metrics,
    run,
    spec_file,
)

LENET = spec_file("lenet5_modern").read_text()
SEEDS = range(5)
# Drawing takes most of the time of a network as small as LeNet: one run draws is enough.
NO_PICTURE = (
    "from matplotlib.figure import Figure; "
    "Figure.savefig = lambda figure, path, **k: path.touch()"
)


def accuracy(printed: str) -> float:
    (percent,) = re.findall(r"final validation accuracy ([0-9.]+)%", printed)
    return float(percent)


def write_digits(folder: Path, count: int = 40) -> None:
    """Digits as PNG files, light on dark, in a folder for each class."""
    digits = load_digits()
    for number in range(count):
        place = folder / str(digits.target[number])
        place.mkdir(parents=True, exist_ok=True)
        pixels = (digits.images[number] * 15.9).astype(np.uint8)
        Image.fromarray(pixels).resize((24, 20)).save(place / f"{number}.png")


@pytest.mark.parametrize("target", TARGETS)
def test_lenet5_learns_digits_with_every_seed(target: str, tmp_path: Path) -> None:
    program = build(LENET, target, tmp_path / "program")
    jobs = [
        Job(
            program,
            "train.py",
            ("--seed", str(seed), "--output", f"run{seed}"),
            NO_PICTURE,
        )
        for seed in SEEDS
    ]
    again = ("--seed", "3", "--epochs", "2", "--output", "again")
    _, *printed = finish([Job(program, "train.py", again), *jobs], tmp_path)
    found = [accuracy(text) for text in printed]
    assert sum(found) / len(found) >= 97
    assert min(found) >= 95.5
    # A seed decides everything: split, first weights and order.
    assert metrics(tmp_path / "again") == metrics(tmp_path / "run3")[:2]
    assert metrics(tmp_path / "run0") != metrics(tmp_path / "run1")
    for name in ("best.safetensors", "last.safetensors", "metrics.csv", "curves.png"):
        assert (tmp_path / "again" / name).stat().st_size > 0


@pytest.mark.parametrize("target", TARGETS)
def test_predict_names_the_digit_on_an_image(target: str, tmp_path: Path) -> None:
    program = build(LENET, target, tmp_path / "program")
    write_digits(tmp_path / "images", 12)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    files = sorted(path for path in (tmp_path / "images").rglob("*.png"))
    names = tuple(str(path.relative_to(tmp_path)) for path in files)
    absent = "cuda" if target == "pytorch" else "gpu"
    early, no_device, seed, trained, predicted, broken, missing = run(
        [
            Job(program, "predict.py", names),
            Job(program, "train.py", ("--device", absent)),
            Job(program, "train.py", ("--seed", str(2**32))),
            Job(program, "train.py", ("--epochs", "6")),
            Job(program, "predict.py", names),
            Job(program, "predict.py", ("broken.png",)),
            Job(program, "predict.py", ("no.png",)),
        ],
        tmp_path,
    )
    assert "run train.py first" in early.status
    assert re.fullmatch(r"error: .* finds no (GPU|cuda device) here", no_device.status)
    assert seed.status == 2
    assert "--seed is from 0 to 2^32 - 1" in seed.printed
    assert trained.status == predicted.status == 0
    rows = metrics(program / "run")
    best = min(rows, key=lambda row: row["val_loss"])
    assert (
        f"best epoch {best['epoch']:.0f}: validation loss {best['val_loss']:.4f}, "
        f"accuracy {best['val_accuracy']:.2%} (best.safetensors)\n"
        f"final validation accuracy {rows[-1]['val_accuracy']:.2%}; "
    ) in trained.printed
    lines = predicted.printed.splitlines()
    assert lines[::6] == list(names)
    likeliest = [line.split()[1] for line in lines[1::6]]
    right = sum(a == Path(b).parts[1] for a, b in zip(likeliest, names, strict=True))
    assert right >= 10
    shares = [float(line.split()[0].rstrip("%")) for line in lines[1:6]]
    assert shares == sorted(shares, reverse=True)
    assert 90 < sum(shares) <= 100.05
    assert "broken.png: " in broken.status
    assert "no.png: No such file or directory" in missing.status


@pytest.mark.parametrize("target", TARGETS)
def test_large_networks_train_at_a_small_size(target: str, tmp_path: Path) -> None:
    jobs = []
    for name in ("resnet18", "vgg16"):
        text = spec_file(name).read_text()
        head, _, tail = text.partition("data:")
        train = tail[tail.index("train:") :]
        text = (
            f"{head}data: {{source: synthetic, samples: 40, batch_size: 16}}\n{train}"
        )
        settings = ("--set", "size=32", "--set", "classes=3")
        program = build(text, target, tmp_path / name, *settings)
        jobs.append(Job(program, "train.py", ("--epochs", "1")))
    for printed in finish(jobs, tmp_path):
        assert "32 training and 8 validation samples" in printed
        assert "final validation accuracy" in printed


HEAD = "cnnspec: 1\nname: example\n"
IMAGE = HEAD + (
    "input: {channels: 3, height: 16, width: 16}\nlayers:\n"
    "  - conv: {filters: 8, kernel: 3, stride: 2, bias: false}\n  - batch_norm\n  - relu\n"
    "  - flatten\n  - dense: {units: 4}\n"
)
VOLUME = HEAD + (
    "input: {channels: 1, depth: 4, height: 5, width: 6}\nlayers:\n"
    "  - conv: {filters: 4, kernel: 3, activation: relu}\n"
    "  - flatten\n  - dense: {units: 1}\n"
)
SIGNAL = HEAD + (
    "input: {channels: 2, length: 20}\nlayers:\n"
    "  - conv: {filters: 4, kernel: 3, activation: relu}\n"
    "  - flatten\n  - dense: {units: 3}\n"
)
VECTOR = HEAD + "input: {features: 6}\nlayers:\n  - dense: {units: 2}\n"


def write_arrays(folder: Path) -> None:
    """Arrays that the specs above can learn: linear in x, or a side of a plane."""
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(300, 6)).astype(np.float32)
    goals = vectors @ draw.normal(size=(6, 2)) + 0.5
    np.savez(folder / "vectors.npz", x=vectors, y=goals)
    np.save(folder / "sample.npy", vectors[0])
    mapped = folder / "signals"
    mapped.mkdir()
    signals = draw.integers(0, 256, (300, 2, 20), np.uint8)
    np.save(mapped / "x.npy", signals)
    np.save(mapped / "y.npy", (signals[:, 0, :3] > 127).astype(np.float64))
    labels = (signals[:, 1].mean(1) > 127).astype(np.int32)
    volumes = np.zeros((300, 4, 5, 6)) + labels[:, None, None, None]
    np.savez(folder / "volumes.npz", x=volumes.astype(np.float64), y=labels)


@pytest.mark.parametrize("target", TARGETS)
def test_every_source_and_loss_trains(target: str, tmp_path: Path) -> None:
    write_arrays(tmp_path)
    specs = {
        "numbers": f"{VECTOR}data: {{source: arrays, path: vectors.npz}}\n"
        "train: {loss: mean_squared_error, epochs: 30, optimizer: {adam: "
        "{learning_rate: 0.1}}}\n",
        "labels": f"{SIGNAL}data: {{source: arrays, path: signals, layout: "
        "channels_first, normalize: {mean: [0.5, 0.5], std: 0.25}}\n"
        "train: {loss: binary_cross_entropy, epochs: 20, optimizer: {sgd: "
        "{learning_rate: 0.5, momentum: 0.9, nesterov: true}}}\n",
        "sides": f"{VOLUME}data: {{source: arrays, path: volumes.npz}}\n"
        "train: {loss: binary_cross_entropy, epochs: 5, optimizer: adamw}\n",
        "squares": f"{IMAGE}data: {{source: synthetic, samples: 200}}\n"
        "train: {loss: mean_squared_error, epochs: 40, optimizer: {adam: "
        "{learning_rate: 0.01}}}\n",
        "halves": f"{VOLUME}data: {{source: synthetic, samples: 200}}\n"
        "train: {loss: mean_squared_error, epochs: 40, optimizer: {adam: "
        "{learning_rate: 0.01}}}\n",
        "classes": f"{IMAGE}data: {{source: synthetic, samples: 200, batch_size: 3}}\n"
        "train: {loss: binary_cross_entropy, epochs: 4}\n",
    }
    programs = {name: build(specs[name], target, tmp_path / name) for name in specs}
    jobs = [Job(programs[name], "train.py", before=NO_PICTURE) for name in specs]
    jobs.append(Job(programs["numbers"], "predict.py", ("sample.npy",)))
    for name in ("labels", "halves"):
        jobs.append(Job(programs[name], "data.py", ("--sample", "one.npy")))
        jobs.append(Job(programs[name], "predict.py", ("one.npy",)))
    *trained, predicted, array, outputs, pattern, sides = finish(jobs, tmp_path)
    assert array.startswith("one.npy: [")
    assert pattern.startswith("one.npy: class ")
    assert outputs.startswith("one.npy\n")
    assert sides.startswith("one.npy\n")
    assert trained[0].startswith("data: arrays in vectors.npz\n")
    assert "  mean absolute error 0.0" in trained[0]
    assert trained[3].startswith("data: synthetic patterns\n")
    for name, program in programs.items():
        last = metrics(program / "run")[-1]
        if name == "numbers":
            assert last["val_mean_absolute_error"] < 0.1
        else:
            assert last["val_accuracy"] > 0.9, name
    path, *values = predicted.splitlines()
    assert path == "sample.npy"
    assert [line.split()[1] for line in values] == ["0", "1"]


@pytest.mark.parametrize("target", TARGETS)
def test_folders_of_images_train_and_a_broken_image_is_named(
    target: str, tmp_path: Path
) -> None:
    text = LENET[: LENET.index("data:")]
    data = "{source: image_folder, path: images, fit: stretch, batch_size: 8}"
    text += f"data: {data}\ntrain: {{epochs: 2}}\n"
    program = build(text, target, tmp_path / "program")
    write_digits(tmp_path / "images")
    broken = tmp_path / "images" / "3" / "cut.png"
    spoil = f"open({str(broken)!r}, 'wb').write(open({str(broken.with_name('3.png'))!r}, 'rb').read()[:60])"
    empty = "import os; os.mkdir('images/cats'); os.mkdir('images/dogs')"
    hidden = (
        "import os; os.rename('images/9', 'images/.9'); os.rmdir('images/cats'); "
        "os.rmdir('images/dogs')"
    )
    trained, predicted, refused, more, fewer = run(
        [
            Job(program, "train.py"),
            Job(program, "predict.py", ("images/7/7.png",)),
            Job(program, "train.py", before=spoil),
            Job(program, "train.py", before=empty),
            Job(program, "train.py", before=hidden),
        ],
        tmp_path,
    )
    assert trained.status == predicted.status == 0, (trained, predicted)
    assert trained.printed.startswith("data: images in images\n")
    assert "32 training and 8 validation samples" in trained.printed
    assert predicted.printed.startswith("images/7/7.png\n")
    assert more.status == "error: there are no images in images/cats, images/dogs"
    assert fewer.status == (
        "error: images has 9 classes, the model 10: 0, 1, 2, 3, 4, 5, 6, 7, 8\n"
        "end the network with `units: 9`, or change the folders"
    )
    assert "1 of 41 images are unusable:\n  images/3/cut.png: " in refused.status
    assert (program / "run" / "best.safetensors").exists()
    assert len(list((program / "cache").iterdir())) == 1


def test_both_targets_prepare_the_same_data(tmp_path: Path) -> None:
    """Whatever the framework, data.py is one file: arrays and split have one checksum."""
    text = spec_file("mit_6s191").read_text()
    jobs = [
        Job(build(text, target, tmp_path / target), "data.py", ("--seed", "5"))
        for target in TARGETS
    ]
    jobs.append(Job(jobs[0].folder, "data.py", ("--sample", "sample.png")))
    jobs.append(Job(jobs[0].folder, "train.py", ("--epochs", "1"), NO_PICTURE))
    jobs.append(Job(jobs[0].folder, "predict.py", ("sample.png",)))
    first, second, sample, _, predicted = finish(jobs, tmp_path)
    assert first == second
    assert re.fullmatch(r"sample\.png: class \d\n", sample)
    with Image.open(tmp_path / "sample.png") as image:
        assert (image.mode, image.size) == ("L", (28, 28))
    assert predicted.startswith("sample.png\n")
    assert [line.split()[0] for line in first.splitlines()] == [
        "x",
        "y",
        "train",
        "validation",
    ]
    assert "uint8 (1797, 28, 28, 1)" in first


FAULTY_ARRAYS = {
    "none.npz": "is not there: name another with --data",
    "file.txt": "is neither a folder nor a file .npz",
    "empty.npz": "No data left in file",
    "cut.npz": "File is not a zip file",
    "named.npz": "has no array y, but x, labels",
    "short.npz": "x has 5 samples, y 4",
    "wide.npz": r"samples of x have shape \(7,\), not \(6,\)",
    "words.npz": "x holds <U1, no numbers",
    "objects.npz": "Object arrays cannot be loaded",
    "labels.npz": "labels are 0 to 2, not 0 to 1",
    "floats.npz": r"y is float64 of shape \(5,\), not one integer a sample",
}


def test_arrays_that_do_not_fit_are_named_with_their_fault(tmp_path: Path) -> None:
    x, y = np.zeros((5, 6)), np.zeros(5, np.int64)
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    np.savez(tmp_path / "named.npz", x=x, labels=y)
    np.savez(tmp_path / "short.npz", x=x, y=y[:4])
    np.savez(tmp_path / "wide.npz", x=np.zeros((5, 7)), y=y)
    np.savez(tmp_path / "words.npz", x=np.full((5, 6), "a"), y=y)
    np.savez(tmp_path / "objects.npz", x=np.full((5, 6), None), y=y)
    np.savez(tmp_path / "labels.npz", x=x, y=np.array([0, 1, 2, 0, 1]))
    np.savez(tmp_path / "floats.npz", x=x, y=np.zeros(5))
    program = build(
        f"{VECTOR}data: {{source: arrays, path: none.npz}}\n",
        "pytorch",
        tmp_path / "program",
    )
    jobs = [Job(program, "data.py", ("--data", name)) for name in FAULTY_ARRAYS]
    for name, outcome in zip(FAULTY_ARRAYS, run(jobs, tmp_path), strict=True):
        expected = f"error: {re.escape(name)}: .*{FAULTY_ARRAYS[name]}"
        assert re.match(expected, str(outcome.status)), outcome


def test_programs_stand_outside_the_repository(tmp_path: Path) -> None:
    assert ROOT not in tmp_path.parents
    program = build(LENET, "pytorch", tmp_path / "program")
    (outcome,) = run([Job(program, "data.py", before="import cnnspec")], tmp_path)
    assert "import of cnnspec halted" in outcome.status


OPTIMIZERS = (
    "{sgd: {learning_rate: 0.05, momentum: 0.9, nesterov: true, weight_decay: 0.01}}",
    "{sgd: {learning_rate: 0.1}}",
    "{adam: {learning_rate: 0.003, beta1: 0.8, epsilon: 1e-3, weight_decay: 0.01}}",
    "{adam: {beta1: 0, beta2: 0.99}}",
    "{adamw: {learning_rate: 0.003, weight_decay: 0.1, epsilon: 1e-4}}",
)
KEEP_WEIGHTS = """
import model, numpy as np
made = model.Lenet5Modern
def keep():
    found = made()
    np.savez("weights.npz", **{k: v.numpy() for k, v in found.state_dict().items()})
    return found
model.Lenet5Modern = keep
"""
TAKE_WEIGHTS = """
import model, numpy as np
made = model.lenet5_modern
def take():
    found = made()
    for key, value in np.load("weights.npz").items():
        layer, _, name = key.partition(".")
        layer = found.get_layer(layer)
        axes = (2, 3, 1, 0) if value.ndim == 4 else (1, 0)
        if name == "weight":
            layer.kernel.assign(value.transpose(axes))
        else:
            layer.bias.assign(value)
    return found
model.lenet5_modern = take
"""


def test_both_targets_learn_the_same_from_the_same_weights(tmp_path: Path) -> None:
    jobs: dict[str, list[Job]] = {target: [] for target in TARGETS}
    for number, optimizer in enumerate(OPTIMIZERS):
        text = LENET[: LENET.index("train:")] + f"train: {{optimizer: {optimizer}}}\n"
        for target, before in zip(TARGETS, (KEEP_WEIGHTS, TAKE_WEIGHTS), strict=True):
            program = build(text, target, tmp_path / f"{target}{number}")
            jobs[target].append(
                Job(program, "train.py", ("--epochs", "1"), NO_PICTURE + "\n" + before)
            )
    for target in TARGETS:
        finish(jobs[target], tmp_path)
    for first, second in zip(*jobs.values(), strict=True):
        for a, b in zip(
            metrics(first.folder / "run"), metrics(second.folder / "run"), strict=True
        ):
            assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-4)
            assert a["val_loss"] == pytest.approx(b["val_loss"], rel=1e-4)
