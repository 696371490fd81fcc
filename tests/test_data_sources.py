"""Sources of data: their files are read in every place, trained on, and their faults named."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import datafiles
from tests.programs import (
    TARGETS,
    Job,
    build,
    finish,
    metrics,
    run,
)
from tests.tiny import KERAS_HOME, NO_PICTURE, module, refuses, spec

SIZES = {"mnist": 28, "fashion_mnist": 28, "cifar10": 32, "cifar100": 32}


GREY, TEN = datafiles.grey(0), datafiles.colour(1, 10)
HUNDRED = datafiles.colour(2, 100)
# Where files may be, below the folder of the test: what is read, and what writes it.
PLACES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "as torchvision has MNIST": (
        "mnist",
        lambda at: datafiles.write_idx(at / "data/MNIST/raw", GREY),
    ),
    "as MNIST's page has it": (
        "mnist",
        lambda at: datafiles.write_idx(at / "data", GREY, zipped=True),
    ),
    "as Keras has MNIST": (
        "mnist",
        lambda at: datafiles.write_npz(at / "keras/datasets/mnist.npz", GREY),
    ),
    "mnist.npz in the folder": (
        "mnist",
        lambda at: datafiles.write_npz(at / "data/mnist.npz", GREY),
    ),
    "as torchvision has Fashion-MNIST": (
        "fashion_mnist",
        lambda at: datafiles.write_idx(at / "data/FashionMNIST/raw", GREY),
    ),
    "as Keras has Fashion-MNIST": (
        "fashion_mnist",
        lambda at: datafiles.write_idx(
            at / "keras/datasets/fashion-mnist", GREY, zipped=True
        ),
    ),
    "as torchvision has CIFAR-10": (
        "cifar10",
        lambda at: datafiles.write_cifar10(at / "data/cifar-10-batches-py", TEN),
    ),
    "as Keras has CIFAR-10": (
        "cifar10",
        lambda at: datafiles.write_cifar10(
            at / "keras/datasets/cifar-10-batches-py-target/cifar-10-batches-py", TEN
        ),
    ),
    "as torchvision has CIFAR-100": (
        "cifar100",
        lambda at: datafiles.write_cifar100(at / "data/cifar-100-python", HUNDRED),
    ),
    "as Keras had CIFAR-100": (
        "cifar100",
        lambda at: datafiles.write_cifar100(
            at / "keras/datasets/cifar-100-python", HUNDRED
        ),
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_files_of_a_well_known_set_are_read_exactly_wherever_they_are(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, write = PLACES[place]
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", "keras")
    parts = {"cifar10": TEN, "cifar100": HUNDRED}.get(source, GREY)
    classes = 100 if source == "cifar100" else 10
    channels = 3 if source.startswith("cifar") else 1
    for target in TARGETS:
        text = spec(source, channels, SIZES[source], classes)
        data = module(build(text, target, tmp_path / target)).load("data")
        for indices, (images, labels) in zip(
            (data.train, data.validation), parts.values(), strict=True
        ):
            expected = images.reshape(len(labels), *data.x.shape[1:])
            np.testing.assert_array_equal(data.x[indices], expected)
            np.testing.assert_array_equal(data.y[indices], labels)
        assert data.x.dtype == np.uint8
        assert len(data.classes) == classes
        if channels == 3:
            assert data.classes[3] == "kind 3"
        if source == "fashion_mnist":
            assert data.classes[9] == "Ankle boot"


def test_images_are_resized_to_the_input_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datafiles.write_idx(tmp_path / "data", GREY)
    datafiles.write_cifar10(tmp_path / "data", TEN)
    monkeypatch.chdir(tmp_path)
    large = module(build(spec("mnist", 3, 40, 10), "keras", tmp_path / "large"))
    small = module(build(spec("cifar10", 1, 16, 10), "keras", tmp_path / "small"))
    images, _ = GREY["train"]
    picture = Image.fromarray(images[7]).resize((40, 40), Image.Resampling.BILINEAR)
    for _ in range(2):
        x = large.load("data").x
        assert x.shape == (52, 40, 40, 3)
        np.testing.assert_array_equal(x[7], np.asarray(picture.convert("RGB")))
        monkeypatch.delattr(large, "write_images", raising=False)  # the file is kept
    photographs, _ = TEN["test"]
    picture = Image.fromarray(photographs[2]).resize(
        (16, 16), Image.Resampling.BILINEAR
    )
    x = small.load("data").x
    np.testing.assert_array_equal(x[42, ..., 0], np.asarray(picture.convert("L")))


def test_a_share_of_the_training_images_validates_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datafiles.write_idx(tmp_path / "data", GREY)
    monkeypatch.chdir(tmp_path)
    text = spec("mnist", 1, 28, 10, ", validation_split: 0.25")
    data = module(build(text, "pytorch", tmp_path / "program"))
    first, again, other = (data.load("data", seed) for seed in (3, 3, 4))
    assert (len(first.x), len(first.train), len(first.validation)) == (40, 30, 10)
    assert first.validation.tolist() == again.validation.tolist()
    assert first.validation.tolist() != other.validation.tolist()


@pytest.mark.parametrize("target", TARGETS)
def test_well_known_sets_train(target: str, tmp_path: Path) -> None:
    datafiles.write_idx(tmp_path / "data/MNIST/raw", datafiles.grey(0, 400, 100))
    datafiles.write_idx(tmp_path / "data/FashionMNIST/raw", GREY, zipped=True)
    datafiles.write_cifar10(tmp_path / "data/cifar-10-batches-py", TEN)
    datafiles.write_cifar100(tmp_path / "data/cifar-100-python", HUNDRED)
    texts = {
        "mnist": spec("mnist", 1, 28, 10).replace("epochs: 1", "epochs: 6"),
        "fashion_mnist": spec("fashion_mnist", 3, 20, 10, ", download: false"),
        "cifar10": spec("cifar10", 3, 32, 10, ", validation_split: 0.1"),
        "cifar100": spec("cifar100", 3, 24, 100),
    }
    jobs = []
    for name, text in texts.items():
        program = build(text, target, tmp_path / name)
        jobs.append(Job(program, "train.py", before=KERAS_HOME + NO_PICTURE))
        jobs.append(Job(program, "data.py", ("--sample", f"{name}.png")))
        jobs.append(Job(program, "predict.py", (f"{name}.png",)))
    printed = finish(jobs, tmp_path)
    assert printed[0].startswith("data: MNIST\n")
    assert "400 training and 100 validation samples" in printed[0]
    assert metrics(tmp_path / "mnist" / "run")[-1]["val_accuracy"] > 0.9
    assert "40 training and 12 validation samples" in printed[3]
    assert "36 training and 4 validation samples" in printed[6]
    assert printed[4] == "fashion_mnist.png: class T-shirt/top\n"
    assert "Sneaker" in printed[5] or "Sandal" in printed[5] or "Bag" in printed[5]
    assert printed[9].startswith("data: CIFAR-100\n")
    assert re.search("kind [0-9]+$", printed[11])


# What downloads, replaced by what writes files where the framework would.
DOWNLOADS = {
    "pytorch": """
import torchvision
from pathlib import Path
from tests import datafiles
def fetch(url, download_root, filename, md5):
    if not Path(download_root, "t10k-labels-idx1-ubyte").exists():
        datafiles.write_idx(Path(download_root), datafiles.grey(0))
torchvision.datasets.mnist.download_and_extract_archive = fetch
for name, write, parts in (
    ("CIFAR10", datafiles.write_cifar10, datafiles.colour(1, 10)),
    ("CIFAR100", datafiles.write_cifar100, datafiles.colour(2, 100)),
):
    cls = getattr(torchvision.datasets, name)
    def make(root, download, cls=cls, write=write, parts=parts):
        assert download
        write(Path(root, cls.base_folder), parts)
    setattr(torchvision.datasets, name, make)
""",
    "keras": """
import keras
from pathlib import Path
from tests import datafiles
datasets, home = keras.datasets, Path("keras/datasets")
grey, ten, hundred = datafiles.grey(0), datafiles.colour(1, 10), datafiles.colour(2, 100)
for module, write, place, parts in (
    (datasets.mnist, datafiles.write_npz, home / "mnist.npz", grey),
    (datasets.fashion_mnist, datafiles.write_idx, home / "fashion-mnist", grey),
    (datasets.cifar10, datafiles.write_cifar10, home / "cifar-10-batches-py", ten),
    (datasets.cifar100, datafiles.write_cifar100, home / "cifar-100-python", hundred),
):
    assert module.load_data
    module.load_data = lambda w=write, p=place, a=parts: w(p, a)
""",
}
NO_NETWORK = {
    "pytorch": "import torchvision\ndef fail(*a, **k): raise RuntimeError('no\\nnetwork')\n"
    "torchvision.datasets.mnist.download_and_extract_archive = fail\n",
    "keras": "import keras\ndef fail(): raise Exception('no\\nnetwork')\n"
    "keras.datasets.mnist.load_data = fail\n",
}


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_not_there_is_downloaded_by_the_framework_or_named(
    target: str, tmp_path: Path
) -> None:
    classes = {"mnist": 10, "fashion_mnist": 10, "cifar10": 10, "cifar100": 100}
    programs = {
        name: build(spec(name, 1, 28, classes[name]), target, tmp_path / name)
        for name in classes
    }
    strict = spec("cifar100", 3, 32, 100, ", download: false")
    jobs = [
        Job(programs["mnist"], "data.py", before=KERAS_HOME + NO_NETWORK[target]),
        Job(build(strict, target, tmp_path / "strict"), "data.py"),
    ]
    path = f"import sys; sys.path.append({str(Path(__file__).parents[1])!r})\n"
    befores = [path + DOWNLOADS[target], "", "", ""]  # all jobs are in one process
    jobs += [
        Job(program, "data.py", before=before)
        for program, before in zip(programs.values(), befores, strict=True)
    ]
    failed, refused, *fetched = run(jobs, tmp_path)
    assert failed.status.startswith(
        "error: MNIST is not there: train-images-idx3-ubyte, train-labels-idx1-ubyte, "
        "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte should be in data/MNIST/raw or "
        "data; downloading failed: "
    )
    assert "no network" in failed.status and "\n" not in failed.status
    assert refused.status == (
        "error: CIFAR-100 is not there: train, test, meta should be in "
        "data/cifar-100-python or data"
    )
    for outcome in fetched:
        assert outcome.status == 0, outcome
        assert outcome.printed.startswith("downloading ")
        assert "uint8 (52, 28, 28, 1)" in outcome.printed


def test_a_build_lists_torchvision_only_where_it_downloads(tmp_path: Path) -> None:
    for target, more, wanted in (
        ("pytorch", "", True),
        ("pytorch", ", download: false", False),
        ("keras", "", False),
    ):
        folder = tmp_path / f"{target}{wanted}"
        build(spec("mnist", 1, 28, 10, more), target, folder)
        assert ("torchvision" in (folder / "requirements.txt").read_text()) == wanted
        assert ("torchvision" in (folder / "README.md").read_text()) == wanted


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
WHOLE = datafiles.idx(GREY["train"][0])
FAULTY_IDX = {
    "magic": (IMAGES, b"\x89PNG" + WHOLE[4:], "begins with 89504e47, not 00000803"),
    "swapped": (IMAGES, datafiles.idx(GREY["train"][1]), "begins with 00000801"),
    "header": (IMAGES, WHOLE[:9], "ends within its header"),
    "empty": (LABELS, b"", "begins with , not 00000801"),
    "cut": (IMAGES, WHOLE[:-5], "holds 31355 bytes where 31360 are due"),
    "long": (IMAGES, WHOLE + b"\0", "holds 31361 bytes where 31360 are due"),
    "counts": (LABELS, datafiles.idx(np.zeros(39)), "holds 40 images and 39 labels"),
    "labels": (
        LABELS,
        datafiles.idx(np.full(40, 10)),
        "labels are 10 to 10, not 0 to 9",
    ),
    "size": (IMAGES, datafiles.idx(np.zeros((40, 28, 27))), r"holds images \(28, 27\)"),
    "none": (IMAGES, datafiles.idx(np.zeros((0, 28, 28))), "holds 0 images and 40"),
}
ZIPPED = gzip.compress(WHOLE)
FAULTY_GZIP = {
    "gzip_cut": (ZIPPED[:-200], "Compressed file ended before"),
    "gzip_other": (WHOLE, "Not a gzipped file"),
    "gzip_spoilt": (ZIPPED[:200] + b"\0" * 500 + ZIPPED[700:], "decompress|CRC"),
}
FAULTY_NPZ = {
    "npz_broken": (b"PK\x03\x04", "File is not a zip file"),
    "npz_empty": (b"", "No data left in file"),
    "npz_keys": ({"x_train": GREY["train"][0]}, "y_train is not a file in the archive"),
    "npz_type": (
        {"x_train": np.zeros((3, 28, 28)), "y_train": np.zeros(3, np.uint8)},
        r"x_train is float64 of shape \(3, 28, 28\)",
    ),
    "npz_objects": (
        {"x_train": np.array([None]), "y_train": np.zeros(3, np.uint8)},
        "Object arrays cannot be loaded",
    ),
}


def test_a_faulty_file_of_mnist_is_named_with_its_fault(tmp_path: Path) -> None:
    expected = {}
    for name, (file, content, message) in FAULTY_IDX.items():
        datafiles.write_idx(tmp_path / name, GREY)
        (tmp_path / name / file).write_bytes(content)
        expected[name] = f"{name}.*: {message}"
    for name, (content, message) in FAULTY_GZIP.items():
        datafiles.write_idx(tmp_path / name, GREY)
        (tmp_path / name / IMAGES).rename(tmp_path / name / "old")
        (tmp_path / name / f"{IMAGES}.gz").write_bytes(content)
        expected[name] = f"{name}/{IMAGES}.gz: .*({message})"
    for name, (made, message) in FAULTY_NPZ.items():
        path = tmp_path / name / "mnist.npz"
        path.parent.mkdir()
        if isinstance(made, bytes):
            path.write_bytes(made)
        else:
            np.savez(path, **made)
        expected[name] = f"{name}/mnist.npz: .*{message}"
    datafiles.write_idx(tmp_path / "three", GREY)
    (tmp_path / "three" / LABELS).unlink()
    expected["three"] = f"MNIST is not there: {LABELS} should be in .*three$"
    text = spec("mnist", 1, 28, 10, ", download: false")
    program = build(text, "pytorch", tmp_path / "program")
    refuses(program, expected, tmp_path)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch touched",)


def test_a_faulty_pickle_of_cifar_is_named_and_runs_nothing(tmp_path: Path) -> None:
    images, labels = TEN["test"]
    rows, answers = datafiles.rows(images), labels.tolist()
    faults = {
        "evil": (pickle.dumps(Evil()), "is refused: it calls (posix|nt).system"),
        "eval": (b"c__builtin__\neval\n(S'1'\ntR.", "is refused: it calls .*eval"),
        "cut": (
            datafiles.python2_pickle({"data": rows})[:-900],
            "pickle|Ran out|exhaust",
        ),
        "empty": (b"", "Ran out of input"),
        "list": (pickle.dumps([1, 2]), "holds no dictionary"),
        "keys": (pickle.dumps({"x": rows}), "`data` is no array of rows of bytes"),
        "size": (
            pickle.dumps({"data": rows[:, 1:], "labels": answers}),
            "rows of `data` have 3071 bytes",
        ),
        "words": (
            pickle.dumps({"data": rows, "labels": ["a"] * 12}),
            "`labels` is no list of integers",
        ),
        "counts": (
            pickle.dumps({"data": rows, "labels": answers[1:]}),
            "12 images, 11 labels",
        ),
        "range": (
            pickle.dumps({"data": rows, "labels": [-1] * 12}),
            "labels are -1 to -1, not 0 to 9",
        ),
    }
    expected = {}
    for name, (content, message) in faults.items():
        datafiles.write_cifar10(tmp_path / name, TEN)
        (tmp_path / name / "test_batch").write_bytes(content)
        file = "" if name == "range" else "/test_batch"
        expected[name] = f"{name}{file}: .*({message})"
    datafiles.write_cifar10(tmp_path / "names", TEN)
    (tmp_path / "names/batches.meta").write_bytes(pickle.dumps({"label_names": ["a"]}))
    expected["names"] = "names/batches.meta: `label_names` is no list of 10 names"
    text = spec("cifar10", 3, 32, 10, ", download: false")
    program = build(text, "keras", tmp_path / "program")
    refuses(program, expected, tmp_path)
    assert not (tmp_path / "touched").exists()


def test_a_pickle_of_python_2_is_written_as_such() -> None:
    """The writer of these tests, against Python's own reader."""
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    content = datafiles.python2_pickle({"data": array, "labels": [1, 2]})
    assert b"numpy.core.multiarray" in content
    found = pickle.load(io.BytesIO(content), encoding="latin1")
    np.testing.assert_array_equal(found["data"], array)
