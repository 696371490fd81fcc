"""Files that `cnnspec weights convert` refuses: a line or two, status 1, and nothing written."""

from __future__ import annotations

import os
from contextlib import chdir
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import cnnspec.commands.weights as weights_command
from cnnspec.weights.contents import Contents
from cnnspec.weights.layout import to_keras
from cnnspec.weights.safetensors_file import write
from tests.programs import command
from tests.unreadable import SPEC, UNREADABLE, graph_of, safetensors, state_of

MANY = """\
cnnspec: 1
name: net
input: {features: 2}
layers:
  - dense: {units: 2}
    repeat: 12
"""

INEXPRESSIBLE = """\
cnnspec: 1
name: net
input: {channels: 2, height: 4, width: 4}
blocks:
  unit:
    layers:
      - conv: {filters: 2, kernel: 1}
        trainable: false
      - conv: {filters: 2, kernel: 1}
layers:
  - unit
  - reuse: unit
"""


def attempt(folder: Path, *arguments: str, spec: str = "spec.yaml") -> tuple[int, str]:
    with chdir(folder):
        return command("weights", "convert", *arguments, "--spec", spec)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "in.safetensors").write_bytes(safetensors())
    return tmp_path


@pytest.mark.parametrize(
    ("data", "said"), [row[1:] for row in UNREADABLE], ids=[r[0] for r in UNREADABLE]
)
def test_a_file_that_can_t_be_read_is_one_line(
    data: bytes, said: str, folder: Path
) -> None:
    (folder / "in").write_bytes(data)
    status, printed = attempt(folder, "in", "--to", "keras", "-o", "out.safetensors")
    assert status == 1
    assert printed.startswith(f"error: in: {said}")
    assert len(printed.splitlines()) == 1
    assert sorted(p.name for p in folder.iterdir()) == [
        *("in", "in.safetensors", "spec.yaml"),
    ]


def test_a_whole_model_of_keras_and_a_damaged_file_are_no_weights(
    folder: Path,
) -> None:
    import zipfile

    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"")
    with h5py.File(folder / "model.h5", "w") as file:
        file.create_group("model_weights")
    (folder / "cut.weights.h5").write_bytes((folder / "model.h5").read_bytes()[:600])
    load = "load it in Keras, and save `model.save_weights('NAME.weights.h5')`\n"
    there = load.replace("in Keras", "there")
    for name, said in (
        ("model.keras", f"it is a whole model of Keras: {there}"),
        ("model.h5", f"it holds no weights as Keras 3 saves them: {load}"),
        ("cut.weights.h5", "it is damaged ("),
    ):
        status, printed = attempt(folder, name, "--to", "pytorch", "-o", "out.pt")
        assert status == 1
        assert printed.startswith(f"error: {name}: {said}"), printed
        assert printed.count("\n") == 1 and not (folder / "out.pt").exists()


def test_weights_of_another_network_are_told_by_name_shape_and_line(
    folder: Path,
) -> None:
    state = state_of()
    del state["conv.bias"]
    state["dense.weight"] = np.ones((5, 8), np.float32)
    state["dense.bias"] = np.ones(3, np.int32)
    state["\x1b[31mred\n"] = np.ones((), np.float32)
    state["a" * 300] = np.ones(1, np.float32)
    for name, found in (("pytorch", state), ("keras", None)):
        if found is None:
            found = to_keras(graph_of(SPEC), state_of())
            found["conv/gamma"] = found.pop("conv/bias")
        with open(folder / name, "wb") as file:
            write(file, Contents(found, {}))
    arguments = ("--to", "keras", "-o", "out.safetensors")
    status, printed = attempt(folder, "pytorch", *arguments)
    assert status == 1
    assert printed.splitlines() == [
        "error: pytorch does not fit spec.yaml",
        "  missing: conv.bias (2)  spec.yaml:5",
        r"  unexpected: '\x1b[31mred\n' ()",
        f"  unexpected: {'a' * 100}… (1)",
        "  other shape: dense.weight is (5, 8), not (3, 8)  spec.yaml:7",
        "  no weights: dense.bias holds I32, not F16, BF16, F32 or F64",
    ]
    status, printed = attempt(folder, "keras", *arguments)
    assert status == 1
    assert printed.splitlines() == [
        "error: keras does not fit spec.yaml",
        "  missing: conv/bias (2)  spec.yaml:5",
        "  unexpected: conv/gamma (2)",
    ]
    assert not (folder / "out.safetensors").exists()


def test_of_many_differences_some_are_told(folder: Path) -> None:
    (folder / "spec.yaml").write_text(MANY)
    arguments = ("in.safetensors", "--to", "keras", "-o", "out.safetensors")
    status, printed = attempt(folder, *arguments)
    lines = printed.splitlines()
    assert status == 1 and len(lines) == 1 + 10 + 1 + 4
    assert lines[10:12] == [
        "  missing: dense.4.bias (2)  spec.yaml:5",
        "  missing: 14 more",
    ]


def test_variables_of_several_kinds_that_are_one_tensor_are_refused(
    folder: Path,
) -> None:
    text = SPEC.replace(
        "channels: 1, height: 4, width: 4", "length: 4, features: 4"
    ).replace("conv: {filters: 2, kernel: 3}", "attention: {heads: 2}")
    (folder / "spec.yaml").write_text(text)
    variables = to_keras(graph_of(text), state_of(text))
    key = variables["attention/key/kernel"]
    variables["attention/key/kernel"] = key.astype(np.float16)
    with open(folder / "mixed", "wb") as file:
        write(file, Contents(variables, {}))
    status, printed = attempt(folder, "mixed", "--to", "pytorch", "-o", "out.pt")
    assert status == 1
    said = "`attention.in_proj_weight` would hold float16 and float32: save them in one"
    assert printed == f"error: mixed does not fit spec.yaml\n  {said}\n"


# arguments | status | the last line
WRONG = [
    (
        ("in.safetensors", "--to", "keras", "-o", "out.pt"),
        "Error: out.pt: weights for Keras are written as NAME.safetensors, "
        "NAME.weights.h5",
    ),
    (
        ("in.safetensors", "--to", "pytorch", "-o", "out.weights.h5"),
        "Error: out.weights.h5: weights for PyTorch are written as NAME.safetensors, "
        "NAME.pt, NAME.pth",
    ),
    (
        ("in.safetensors", "--to", "keras", "-o", "in.safetensors"),
        "error: in.safetensors: is in.safetensors itself, which would be replaced",
    ),
    (
        ("in.safetensors", "--to", "keras", "-o", "linked.safetensors"),
        "error: linked.safetensors: is in.safetensors itself, which would be replaced",
    ),
    (
        ("in.safetensors", "--to", "pytorch", "-o", "spec.pt"),
        "error: spec.pt: is spec.yaml itself, which would be replaced",
    ),
    (
        ("in.safetensors", "--to", "pytorch", "-o", "folder.pt"),
        "error: folder.pt: is a directory",
    ),
    (
        ("in.safetensors", "--to", "pytorch", "-o", "no/out.pt"),
        "error: no/out.pt: no such file or directory",
    ),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_an_output_that_can_t_be_is_wrong_use(
    arguments: tuple[str, ...], said: str, folder: Path
) -> None:
    os.link(folder / "in.safetensors", folder / "linked.safetensors")
    os.symlink("spec.yaml", folder / "spec.pt")
    (folder / "folder.pt").mkdir()
    before = {p.name: p.is_file() and p.read_bytes() for p in folder.iterdir()}
    status, printed = attempt(folder, *arguments)
    assert (status, printed.splitlines()[-1]) == (2, said)
    assert before == {p.name: p.is_file() and p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize("name", ["absent", "folder", "pipe"])
def test_an_input_that_is_no_file_is_one_line(name: str, folder: Path) -> None:
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    status, printed = attempt(folder, name, "--to", "keras", "-o", "out.safetensors")
    assert status == 1 and printed.startswith(f"error: {name}: ")
    assert printed.count("\n") == 1


def test_a_spec_with_errors_is_reported_as_a_check_reports_it(folder: Path) -> None:
    (folder / "spec.yaml").write_text(SPEC.replace("kernel: 3", "kernel: 9"))
    arguments = ("in.safetensors", "--to", "keras", "-o", "out.safetensors")
    status, printed = attempt(folder, *arguments)
    assert status == 1 and printed.startswith("error[CS301]: ")
    assert not (folder / "out.safetensors").exists()


def test_what_keras_has_no_words_for_is_reported_as_a_build_reports_it(
    folder: Path,
) -> None:
    (folder / "spec.yaml").write_text(INEXPRESSIBLE)
    state = state_of(INEXPRESSIBLE)
    with open(folder / "in.safetensors", "wb") as file:
        write(file, Contents(state, {}))
    arguments = ("in.safetensors", "--to", "keras", "-o", "out.weights.h5")
    status, printed = attempt(folder, *arguments)
    assert status == 1 and printed.startswith("error[CS501]: ")
    assert sorted(p.name for p in folder.iterdir()) == ["in.safetensors", "spec.yaml"]


@pytest.mark.parametrize(
    ("output", "target", "missing"),
    [("out.safetensors", "keras", "numpy"), ("out.pt", "pytorch", "torch")],
)
def test_a_package_that_is_not_installed_is_named(
    output: str,
    target: str,
    missing: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        weights_command, "find_spec", lambda name: None if name == missing else name
    )
    status, printed = attempt(folder, "in.safetensors", "--to", target, "-o", output)
    assert status == 2
    assert printed.startswith(f"error: {missing} is not installed here")
    assert not (folder / output).exists()


def test_a_file_that_is_there_is_replaced_whole(folder: Path) -> None:
    (folder / "out.pt").write_bytes(b"old")
    arguments = ("in.safetensors", "--to", "pytorch", "-o", "out.pt")
    assert attempt(folder, *arguments)[0] == 0
    assert torch.load(folder / "out.pt", weights_only=True).keys() == state_of().keys()
    assert len(list(folder.iterdir())) == 3
