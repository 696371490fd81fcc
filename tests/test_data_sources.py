"""Sources of data: their files are read in every place, trained on, and their faults named."""

from __future__ import annotations

import ast
import gzip
import importlib.util
import io
import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from cnnspec.compile import check_source
from cnnspec.datasets import SOURCES
from cnnspec.fields import Declared
from cnnspec.optimizers import OPTIMIZERS
from cnnspec.source import SourceFile
from cnnspec.training import Train
from tests import datafiles
from tests.programs import (
    TARGETS,
    Job,
    build,
    command,
    files_of,
    finish,
    metrics,
    run,
    spec_file,
)
from tests.test_build import HOSTILE

NO_PICTURE = (
    "from matplotlib.figure import Figure; "
    "Figure.savefig = lambda figure, path, **k: path.touch()"
)
SIZES = {"mnist": 28, "fashion_mnist": 28, "cifar10": 32, "cifar100": 32}
KERAS_HOME = "import os; os.environ['KERAS_HOME'] = 'keras'\n"


def spec(source: str, channels: int, height: int, units: int, more: str = "") -> str:
    return (
        f"cnnspec: 1\nname: tiny\ninput: {{channels: {channels}, height: {height}, "
        f"width: {height}}}\nlayers:\n"
        "  - conv: {filters: 4, kernel: 3, stride: 2, activation: relu}\n  - flatten\n"
        f"  - dense: {{units: {units}}}\ndata: {{source: {source}, batch_size: 8{more}}}\n"
        "train: {epochs: 1}\n"
    )


def module(program: Path) -> ModuleType:
    """A program's data.py, which imports no framework."""
    made = importlib.util.spec_from_file_location("data", program / "data.py")
    assert made is not None and made.loader is not None
    found = importlib.util.module_from_spec(made)
    made.loader.exec_module(found)
    return found


def grey_parts(folder: Path) -> datafiles.Parts:
    parts = datafiles.grey(0)
    datafiles.write_idx(folder, parts)
    return parts


Places = dict[str, tuple[str, Callable[[Path], object]]]
GREY, TEN, HUNDRED = (
    datafiles.grey(0),
    datafiles.colour(1, 10),
    datafiles.colour(2, 100),
)
# Where files may be, below the folder of the test: what is read, and what writes it.
PLACES: Places = {
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
        grey_parts(tmp_path / name)
        (tmp_path / name / file).write_bytes(content)
        expected[name] = f"{name}.*: {message}"
    for name, (content, message) in FAULTY_GZIP.items():
        grey_parts(tmp_path / name)
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
    grey_parts(tmp_path / "three")
    (tmp_path / "three" / LABELS).unlink()
    expected["three"] = f"MNIST is not there: {LABELS} should be in .*three$"
    text = spec("mnist", 1, 28, 10, ", download: false")
    program = build(text, "pytorch", tmp_path / "program")
    _refuses(program, expected, tmp_path)


def _refuses(program: Path, expected: dict[str, str], cwd: Path) -> None:
    """Each folder or file gives one line that matches, no traceback."""
    jobs = [Job(program, "data.py", ("--data", name), KERAS_HOME) for name in expected]
    for name, outcome in zip(expected, run(jobs, cwd), strict=True):
        assert re.match(f"error: {expected[name]}", str(outcome.status)), outcome


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
    _refuses(program, expected, tmp_path)
    assert not (tmp_path / "touched").exists()


def write_photos(folder: Path, count: int = 12) -> None:
    """Grey squares, brighter by number."""
    folder.mkdir()
    for number in range(count):
        pixels = np.full((18, 14), 20 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def table(cells: list[list[object]], header: str = "path,label") -> bytes:
    return "\n".join([header, *(",".join(map(str, row)) for row in cells)]).encode()


def test_tables_of_images_are_read_as_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos")
    words = [[f"photos/{n}.png", ("dog", "cat", "ant")[n % 3]] for n in range(12)]
    numbers = [[f"photos/{n}.png", n % 11] for n in range(12)]
    sides = [
        [n % 2, f"photos/{n}.png", ["train", "validation"][n > 8]] for n in range(12)
    ]
    values = [[f"photos/{n}.png", f"{n / 10} {-n}"] for n in range(12)]
    absolute = [[tmp_path / f"photos/{n}.png", "ab"[n % 2]] for n in range(12)]
    Path("words.csv").write_bytes(b"\xef\xbb\xbf" + table(words))  # as Excel writes it
    Path("numbers.csv").write_bytes(table(numbers))
    Path("sides.csv").write_bytes(table(sides, "label, path, split"))
    Path("values.csv").write_bytes(table(values))
    Path("absolute.csv").write_bytes(table(absolute))

    def load(
        file: str, units: int, more: str = "", loss: str = ""
    ) -> tuple[object, ...]:
        text = spec("csv", 1, 9, units, f", path: {file}.csv{more}")
        text = text.replace("epochs: 1", f"epochs: 1{loss}")
        place = tmp_path / f"{file}{len(more)}"
        data = module(build(text, "pytorch", place)).load(f"{file}.csv", 0)
        assert data.x.shape == (12, 9, 9, 1)
        assert data.x[:, 4, 4, 0].tolist() == [20 * n for n in range(12)]
        return data.classes, data.y.tolist(), data.train.tolist(), len(data.validation)

    classes, labels, _, held_out = load("words", 3)
    assert (classes, labels, held_out) == (["ant", "cat", "dog"], [2, 1, 0] * 4, 2)
    classes, labels, *_ = load("words", 3, ", classes: [dog, cat, ant]")
    assert (classes, labels) == (["dog", "cat", "ant"], [0, 1, 2] * 4)
    classes, labels, *_ = load("numbers", 11)
    assert classes == [str(n) for n in range(11)]
    assert labels == [n % 11 for n in range(12)]
    classes, labels, train, held_out = load("sides", 1)
    assert (classes, labels) == (["0", "1"], [0, 1] * 6)
    assert (train, held_out) == (list(range(9)), 3)
    classes, labels, *_ = load("values", 2, loss=", loss: mean_squared_error")
    assert classes == ["0", "1"]
    np.testing.assert_allclose(labels, [[n / 10, -n] for n in range(12)], rtol=1e-6)
    classes, *_ = load("absolute", 2)
    assert classes == ["a", "b"]


@pytest.mark.parametrize("words", HOSTILE)
def test_names_of_classes_enter_a_program_as_literals(words: str) -> None:
    more = f", path: {json.dumps(words)}, classes: [{json.dumps(words)}, plain]"
    text = spec("csv", 1, 9, 2, more)
    if check_source(SourceFile("spec.yaml", text), {}).has_errors:
        assert "\r" in words  # refused when the spec is read
        return
    for target in TARGETS:
        names: dict[str, object] = {}
        tree = ast.parse(files_of(text, target)["data.py"])
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) != "CACHE":
                names[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
        assert names["PATH"] == words
        assert names["NAMES"] == (words, "plain")


@pytest.mark.parametrize("target", TARGETS)
def test_tables_of_images_train(target: str, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos")
    files = [f"photos/{n}.png" for n in range(12)]
    sides = [[f, ["dark", "light"][n > 5], "train"] for n, f in enumerate(files)]
    sides += [[f, ["dark", "light"][n > 5], "validation"] for n, f in enumerate(files)]
    values = [[f, n / 12, "train"] for n, f in enumerate(files)]
    values += [[f, n / 12, "validation"] for n, f in enumerate(files)]
    (tmp_path / "sides.csv").write_bytes(table(sides, "path,label,split"))
    (tmp_path / "values.csv").write_bytes(table(values, "path,label,split"))
    more = "train: {epochs: 60, loss: LOSS, optimizer: {adam: {learning_rate: 0.02}}}"
    texts = {
        "sides": spec("csv", 3, 8, 2, ", path: sides.csv, classes: [light, dark]"),
        "single": spec("csv", 1, 8, 1, ", path: sides.csv, fit: stretch"),
        "values": spec("csv", 1, 8, 1, ", path: values.csv"),
    }
    losses = ("cross_entropy", "binary_cross_entropy", "mean_squared_error")
    jobs = []
    for (name, text), loss in zip(texts.items(), losses, strict=True):
        text = text.replace("train: {epochs: 1}", more.replace("LOSS", loss))
        program = build(text, target, tmp_path / name)
        jobs.append(Job(program, "train.py", before=NO_PICTURE))
        jobs.append(Job(program, "predict.py", ("photos/11.png",)))
        jobs.append(Job(program, "data.py", ("--sample", f"{name}.png")))
    printed = finish(jobs, tmp_path)
    assert printed[0].startswith("data: images in sides.csv\n")
    assert "12 training and 12 validation samples" in printed[0]
    assert metrics(tmp_path / "sides/run")[-1]["val_accuracy"] > 0.9
    assert printed[1].split()[2] == printed[4].split()[2] == "light"
    assert printed[2] == "sides.png: class dark\n"
    assert metrics(tmp_path / "single/run")[-1]["val_accuracy"] > 0.9
    assert metrics(tmp_path / "values/run")[-1]["val_mean_absolute_error"] < 0.1
    assert abs(float(printed[7].split()[1]) - 11 / 12) < 0.25
    assert printed[8] == "values.png: [0.]\n"


FAULTY_TABLES = {
    "none.csv": (None, "is not there: name another with --data"),
    "empty.csv": (b"", "its header has no column path"),
    "rows.csv": (b"path,label\n", "has no rows"),
    "semicolons.csv": (b"path;label\n1.png;a\n", "no column path, but path;label"),
    "twice.csv": (b"path,label,label\n1.png,a,b\n", "its header has no column label"),
    "short.csv": (b"path,label\n0.png,a\n1.png\n", "line 3 has not 2 values"),
    "wide.csv": (b"path,label\n0.png,a,b\n", "line 2 has not 2 values"),
    "blank.csv": (
        b"path,label\n0.png,a\n1.png, \n",
        "line 3 has an empty path or label",
    ),
    "bytes.csv": (b"path,label\n\xff.png,a\n", "'utf-8' codec can't decode"),
    "quote.csv": (b'path,label\n"a/0.png,x\n', "line 2 has not 2 values"),
    "long.csv": (b"path,label\n" + b"a" * 200_000, "field larger than field limit"),
    "classes.csv": (
        b"path,label\na/0.png,x\na/1.png,y\na/2.png,z\n",
        "has 3 classes, the model 2: x, y, z\nend the network with `units: 3`",
    ),
    "split.csv": (
        b"path,label,split\na/0.png,x,train\na/1.png,y,test\n",
        "line 3 has split 'test', not train or validation",
    ),
    "some.csv": (
        b"path,label,split\na/0.png,x,train\na/1.png,y,\n",
        "line 3 has split ''",
    ),
    "one.csv": (
        b"path,label,split\na/0.png,x,train\na/1.png,y,train\n",
        "split must be train of some rows and validation of others",
    ),
    "missing.csv": (
        b"path,label\na/0.png,x\na/77.png,y\nb.png,y\n",
        "2 of its images are not there:\n  a/77.png\n  b.png$",
    ),
    "few.csv": (b"path,label\na/0.png,x\na/1.png,y\n", "2 samples are too few"),
}


def test_a_table_that_does_not_fit_is_named_with_its_fault(tmp_path: Path) -> None:
    write_photos(tmp_path / "a")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    expected = {}
    for name, (content, message) in FAULTY_TABLES.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        start = "" if name == "few.csv" else f"{name}: "
        expected[name] = f"{start}.*({message})"
    broken = b"path,label\na/0.png,x\nbroken.png,y\na/1.png,x\na/2.png,y\na/3.png,x\n"
    (tmp_path / "broken.csv").write_bytes(broken)
    expected["broken.csv"] = "1 of 5 images are unusable:\n  broken.png: "
    text = spec("csv", 1, 9, 2, ", path: none.csv")
    _refuses(build(text, "pytorch", tmp_path / "program"), expected, tmp_path)

    numbers = {
        "word.csv": (
            b"path,label\na/0.png,1 x\n",
            "line 2 has label '1 x', not 2 finite",
        ),
        "count.csv": (b"path,label\na/0.png,1\n", "line 2 has label '1', not 2 finite"),
        "nan.csv": (b"path,label\na/0.png,1 nan\n", "line 2 has label '1 nan'"),
    }
    for name, (content, _) in numbers.items():
        (tmp_path / name).write_bytes(content)
    text = text.replace("epochs: 1", "epochs: 1, loss: mean_squared_error")
    expected = {name: f"{name}: {message}" for name, (_, message) in numbers.items()}
    _refuses(build(text, "keras", tmp_path / "numbers"), expected, tmp_path)

    text = spec("csv", 1, 9, 2, ", path: none.csv, classes: [x, z]")
    listed = {"classes.csv": "classes.csv: line 3 has label 'y', not of x, z"}
    _refuses(build(text, "keras", tmp_path / "listed"), listed, tmp_path)


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


@pytest.mark.parametrize("name", [*SOURCES, *OPTIMIZERS, "train"])
def test_explain_shows_every_key_of_data_and_training(name: str) -> None:
    status, page = command("explain", name)
    assert status == 0
    known: dict[str, type[Declared]] = {**SOURCES, **OPTIMIZERS, "train": Train}
    shown = re.findall(r"^  (\w+)$", page, re.M)
    assert sorted(shown) == sorted(known[name].fields)
    status, listed = command("explain", "data")
    assert name in listed or name not in SOURCES


def test_a_pickle_of_python_2_is_written_as_such() -> None:
    """The writer of these tests, against Python's own reader."""
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    content = datafiles.python2_pickle({"data": array, "labels": [1, 2]})
    assert b"numpy.core.multiarray" in content
    found = pickle.load(io.BytesIO(content), encoding="latin1")
    np.testing.assert_array_equal(found["data"], array)
