"""`cnnspec weights convert`: files that hold the same weights for both programs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file as save_torch
from sklearn.datasets import load_digits

from cnnspec.compile import check_file
from cnnspec.graph import Graph
from cnnspec.weights.contents import FLOATS, Contents, dtype_of, kind_of
from cnnspec.weights.layout import state_shapes, to_keras
from cnnspec.weights.safetensors_file import read, write
from tests.programs import Job, build, command, finish, spec_file

LENET = spec_file("lenet5_modern").read_text()
# Dropouts have seeds, a head exists in training alone, a block is applied twice.
EVERYTHING = """
cnnspec: 1
name: net
input: {channels: 3, height: 8, width: 6}
blocks:
  unit:
    layers:
      - conv: {filters: 3, kernel: 3, padding: 1}
      - batch_norm
      - dropout: {rate: 0.1}
layers:
  - unit:
    name: once
  - reuse: once
  - unit
  - head:
      name: side
      serve: false
      layers: [flatten, dense: {units: 2}]
  - reshape: {channels: 3, length: -1}
  - permute: {axes: [1, 0]}
  - lstm: {units: 2, sequence: true, bidirectional: true}
  - attention: {heads: 2, dropout: 0.1}
  - flatten
  - dense: {units: 2}
"""
# A generated model takes a file, trains a step with an optimizer of its own, and saves itself.
KERAS = """
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

sys.path.insert(0, "keras")
from model import net

model = net(training=True)
model.load_weights("made.weights.h5")
wanted = load_file("wanted.safetensors")
assert {w.path for w in model.weights} == set(wanted)
for weight in model.weights:
    assert (weight.numpy() == wanted[weight.path]).all(), weight.path
model.compile("adam", "mse")
targets = {name: np.ones((2, 2)) for name in model.output}
model.fit(np.ones((2, 8, 6, 3)), targets, verbose=0)
model.save_weights("trained.weights.h5")
trained = {w.path: w.numpy() for w in model.weights}
assert any((trained[path] != wanted[path]).any() for path in wanted)
save_file(trained, "trained.safetensors")
net().save_weights("serving.weights.h5")
model.save("whole.keras")
model.save("whole.h5")
"""


def attempt(
    folder: Path, source: str, target: str, output: str, spec: str = "spec.yaml"
) -> tuple[int, str]:
    """Status and output of a conversion between files of a folder, run in it."""
    with chdir(folder):
        options = ("--spec", spec, "--to", target, "-o", output)
        return command("weights", "convert", source, *options)


def convert(
    folder: Path, source: str, target: str, output: str, spec: str = "spec.yaml"
) -> str:
    status, printed = attempt(folder, source, target, output, spec)
    assert status == 0, printed
    return printed


def same(one: Path, other: Path) -> bool:
    """Whether two safetensors files hold the same tensors, bit by bit."""
    left, right = read(one).tensors, read(other).tensors
    return left.keys() == right.keys() and all(
        left[n].dtype == right[n].dtype
        and left[n].shape == right[n].shape
        and left[n].tobytes() == right[n].tobytes()
        for n in left
    )


def test_a_trained_network_gives_the_same_scores_in_the_other_framework(
    tmp_path: Path,
) -> None:
    (tmp_path / "spec.yaml").write_text(LENET)
    programs = {t: build(LENET, t, tmp_path / t) for t in ("pytorch", "keras")}
    digits = load_digits()
    names = []
    for number, image in enumerate(digits.images[:12]):
        names.append(f"{number}.png")
        Image.fromarray((image * 15.9).astype("uint8")).save(tmp_path / names[-1])
    jobs = [
        Job(programs["pytorch"], "train.py", ("--epochs", "1")),
        Job(programs["pytorch"], "predict.py", tuple(names)),
    ]
    _, ours = finish(jobs, tmp_path)
    best, moved = "pytorch/run/best.safetensors", "keras/run/best.safetensors"
    (tmp_path / moved).parent.mkdir()
    printed = convert(tmp_path, best, "keras", moved)
    size = (tmp_path / moved).stat().st_size
    assert printed == f"wrote {moved}: 10 tensors, 61,706 numbers, {size:,} bytes\n"
    (theirs,) = finish([Job(programs["keras"], "predict.py", tuple(names))], tmp_path)
    scores = [
        [float(share) for share in re.findall(r"([\d.]+)%", text)]
        for text in (ours, theirs)
    ]
    assert len(scores[0]) == 5 * len(names) and np.ptp(scores[0]) > 50
    assert np.abs(np.subtract(*scores)).max() <= 0.0101  # a unit of the last digit
    # Back it is the file that it was, with the names of the classes.
    convert(tmp_path, moved, "pytorch", "back.safetensors")
    back = (tmp_path / "back.safetensors").read_bytes()
    assert back == (tmp_path / best).read_bytes()
    assert read(tmp_path / moved).metadata.keys() == {"classes"}


def drawn(graph: Graph) -> dict[str, Any]:
    """A state dict whose tensors are of all kinds of numbers, each layer's of one."""
    rng = np.random.default_rng(2)
    state: dict[str, Any] = {}
    shapes = state_shapes(graph)
    owners = sorted({name.partition(".")[0] for name in shapes})
    for name, shape in shapes.items():
        kind = FLOATS[owners.index(name.partition(".")[0]) % len(FLOATS)]
        numbers = rng.standard_normal(shape, np.float32)
        if kind == "BF16":
            upper = (numbers.view("<u4") >> 16).astype("<u2")
            state[name] = upper.view(dtype_of(kind))
        else:
            state[name] = numbers.astype(dtype_of(kind))
    assert {kind_of(array.dtype) for array in state.values()} == set(FLOATS)
    return state


def as_float32(array: Any) -> Any:
    if kind_of(array.dtype) != "BF16":
        return array.astype(np.float32)
    upper = np.ascontiguousarray(array).view("<u2").astype("<u4")
    return (upper << 16).view("<f4")


def save(path: Path, tensors: dict[str, Any], **metadata: str) -> Path:
    with open(path, "wb") as file:
        write(file, Contents(tensors, metadata))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of all kinds of numbers, and what Keras itself makes of them."""
    folder = tmp_path_factory.mktemp("weights")
    (folder / "spec.yaml").write_text(EVERYTHING)
    graph = check_file(str(folder / "spec.yaml"), {}).graph
    assert graph is not None
    state = drawn(graph)
    units = {name.partition(".")[0] for name in state if "batch_norm" in name}
    names = [f"{unit}.batch_norm.num_batches_tracked" for unit in units]
    counts = {name: np.array(7, np.int64) for name in names}
    zeros = {name: np.zeros((), np.int64) for name in names}
    save(folder / "pytorch.safetensors", state | counts, classes="[]", format="pt")
    save(folder / "uncounted.safetensors", state | zeros)
    variables = to_keras(graph, state)
    save(folder / "keras.safetensors", variables)
    wanted = {path: as_float32(array) for path, array in variables.items()}
    save(folder / "wanted.safetensors", wanted)
    build(EVERYTHING, "keras", folder / "keras")
    convert(folder, "pytorch.safetensors", "keras", "made.weights.h5")
    done = subprocess.run(
        [sys.executable, "-c", KERAS],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_every_form_holds_the_same_bits(folder: Path) -> None:
    first, back = "pytorch.safetensors", "back.safetensors"
    printed = convert(folder, first, "pytorch", "state.pth")
    lost = "left out: its metadata (classes, format), which only .safetensors holds"
    assert printed.splitlines()[1:] == [lost]
    convert(folder, "state.pth", "pytorch", back)
    assert same(folder / back, folder / first)  # with PyTorch's counts
    convert(folder, "state.pth", "keras", back)
    assert same(folder / back, folder / "keras.safetensors")
    convert(folder, first, "keras", back)
    assert same(folder / back, folder / "keras.safetensors")
    assert read(folder / back).metadata == {"classes": "[]"}  # no `format: pt`
    convert(folder, "keras.safetensors", "pytorch", back)
    assert same(folder / back, folder / "uncounted.safetensors")
    convert(folder, "made.weights.h5", "pytorch", back)
    assert same(folder / back, folder / "uncounted.safetensors")


def test_weights_that_keras_saves_after_training_are_read(folder: Path) -> None:
    convert(folder, "trained.weights.h5", "keras", "read.safetensors")
    assert same(folder / "read.safetensors", folder / "trained.safetensors")


def test_pytorch_s_own_files_are_read_and_written(folder: Path) -> None:
    import torch

    convert(folder, "pytorch.safetensors", "pytorch", "state.pt")
    state = torch.load(folder / "state.pt", weights_only=True)
    theirs = load_torch(folder / "pytorch.safetensors")
    assert state.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor)
    torch.save({"epoch": 3, "state_dict": state}, folder / "checkpoint.pt")
    parameters = {name: torch.nn.Parameter(t, False) for name, t in state.items()}
    torch.save({"model": parameters}, folder / "model.pth")
    # As PyTorch wrote them before 1.6.
    torch.save(state, folder / "old.pt", _use_new_zipfile_serialization=False)
    save_torch(state, folder / "library.safetensors")
    for name in ("checkpoint.pt", "model.pth", "old.pt", "library.safetensors"):
        convert(folder, name, "keras", "read.safetensors")
        assert same(folder / "read.safetensors", folder / "keras.safetensors")


def test_a_head_for_training_alone_is_missed_where_a_file_lacks_it(
    folder: Path,
) -> None:
    status, printed = attempt(folder, "serving.weights.h5", "pytorch", "no.pt")
    assert status == 1
    assert printed.splitlines() == [
        "error: serving.weights.h5 does not fit spec.yaml",
        "  missing: dense1/kernel (144, 2)  spec.yaml:19",
        "  missing: dense1/bias (2)  spec.yaml:19",
    ]
    assert not (folder / "no.pt").exists()
