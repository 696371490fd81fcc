"""Tables of images: read as they say, trained on, and their faults named."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnspec.compile import check_source
from cnnspec.source import SourceFile
from tests.programs import TARGETS, Job, build, files_of, finish, metrics
from tests.test_build import HOSTILE
from tests.tiny import NO_PICTURE, module, refuses, spec


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
    refuses(build(text, "pytorch", tmp_path / "program"), expected, tmp_path)

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
    refuses(build(text, "keras", tmp_path / "numbers"), expected, tmp_path)

    text = spec("csv", 1, 9, 2, ", path: none.csv, classes: [x, z]")
    listed = {"classes.csv": "classes.csv: line 3 has label 'y', not of x, z"}
    refuses(build(text, "keras", tmp_path / "listed"), listed, tmp_path)
