"""Weights of torchvision and keras.applications give the generated programs the same logits.

Whole files and whole programs: each runs in a process of its own, outside of the repository.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnspec.compile import check_source
from cnnspec.source import SourceFile
from cnnspec.weights.files import HDF5
from cnnspec.weights.importing.matching import NAMES, ORDER, UNSURE
from cnnspec.weights.importing.stored import open_stored
from tests.importing.pairing import derived, path_of
from tests.programs import command
from tests.test_torchvision import Rules, renamed, theirs_of

TOLERANCE = 1e-4  # of the largest logit
SCRIPTS = Path(__file__).with_name("importing")
# The spec of each of Keras' networks, and values that make it as large.
SMALL = {"size": 64, "classes": 10}
SPECS = {
    "VGG16": ("vgg16", SMALL),
    "ResNet50": ("resnet50_keras", SMALL),
    "VGG19": ("vgg19", SMALL),
    "MobileNetV2": ("mobilenet_v2", {}),
    "DenseNet121": ("densenet121", {}),
    "InceptionV3": ("inception_v3", {}),
}
HEAD = "  - head: {name: auxiliary"  # of torchvision's Inception alone
VGG: Rules = [
    (r"stage(\d)\.conv", r"block\1_conv1"),
    *(
        (rf"stage(\d)\.conv\.{index}", rf"block\1_conv{index + 1}")
        for index in range(4)
    ),
    (r"dense([12])", r"fc\1"),
    (r"dense3", "predictions"),
]
RESNET: Rules = [
    (r"conv_bn\.(.*)", r"conv1_\1"),
    *(
        (rf"stage{stage}\.bottleneck1\.(.*)", rf"conv{stage + 1}_block1_\1")
        for stage in range(1, 5)
    ),
    *(
        (rf"stage{stage}\.bottleneck2\.{i}\.(.*)", rf"conv{stage + 1}_block{i + 2}_\1")
        for stage in range(1, 5)
        for i in range(5)
    ),
    (r"(.*_)conv_bn(\d)\.(.*)", r"\1\2_\3"),
    (r"(.*_)projection\.(.*)", r"\g<1>0_\2"),
    (r"(.*_)batch_norm", r"\1bn"),
    (r"dense", "predictions"),
]


def start(script: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, *args],
        cwd=args[0],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def assert_same_logits(
    file: Path, name: str, values: dict[str, int], target: str, folder: Path
) -> None:
    """A file, imported, gives the program the logits in `drawn.npz`."""
    settings = [part for k, v in values.items() for part in ("--set", f"{k}={v}")]
    program, weights = folder / target, folder / "imported.safetensors"
    spec = path_of(name)
    run = ("build", spec, "--target", target, "-o", program)
    status, output = command(*run, *settings)
    assert status == 0, output
    run = ("weights", "import", file, "--spec", spec, "--to", target, "-o", weights)
    status, output = command(*run, *settings)
    assert status == 0, output
    drawn = folder / "drawn.npz"
    given = np.load(drawn)
    start("run_program.py", program, weights, drawn)
    found, wanted = np.load(folder / "logits.npy"), given["y"]
    assert found.shape == wanted.shape
    assert wanted.std() > 0.01
    assert abs(found - wanted).max() <= TOLERANCE * abs(wanted).max()


def test_torchvisions_resnet18_gives_its_logits_in_keras(tmp_path: Path) -> None:
    network = theirs_of("resnet18").eval()
    torch.save(network.state_dict(), tmp_path / "resnet18.pth")
    x = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        y = network(x).numpy()
    np.savez(tmp_path / "drawn.npz", x=x.permute(0, 2, 3, 1).numpy(), y=y)
    file = tmp_path / "resnet18.pth"
    assert_same_logits(file, "resnet18", {}, "keras", tmp_path)


@pytest.fixture(scope="module")
def applications(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of files that Keras wrote."""
    folder = tmp_path_factory.mktemp("applications")
    assert start("keras_files.py", folder).stdout.split() == list(SPECS)
    yield folder
    for path in folder.glob("*.h5"):  # hundreds of MB
        path.unlink()


@pytest.mark.parametrize(
    ("name", "suffix"), [("VGG16", ".h5"), ("ResNet50", ".weights.h5")]
)
def test_kerass_network_gives_its_logits_in_pytorch(
    name: str, suffix: str, applications: Path, tmp_path: Path
) -> None:
    drawn = np.load(applications / f"{name}.npz")
    np.savez(tmp_path / "drawn.npz", **drawn)
    file = applications / f"{name}{suffix}"
    assert_same_logits(file, *SPECS[name], "pytorch", tmp_path)


@pytest.mark.parametrize("name", ["VGG16", "ResNet50"])
def test_both_formats_of_keras_hold_the_same_numbers(
    name: str, applications: Path
) -> None:
    new, old = [
        open_stored(applications / f"{name}{suffix}", HDF5)
        for suffix in (".weights.h5", ".h5")
    ]
    older = {group.name: group for group in old.groups}
    assert older.keys() == {group.name for group in new.groups}
    for group in new.groups:
        names = zip(group.tensors, older[group.name].tensors, strict=True)
        assert all(np.array_equal(new.read(a), old.read(b)) for a, b in names)


def truth_of(name: str, layers: list[str], older: list[str]) -> dict[str, str]:
    """Keras' names by the spec's; `older` are those of the older format, in order."""
    if name == "InceptionV3":  # numbered as it was written
        counts = {"conv": count(), "batch_norm": count()}
        known = {"conv": "conv2d", "batch_norm": "batch_normalization"}
        found = {"dense": "predictions"}
        for layer in layers[:-1]:
            kind = layer.rpartition(".")[2]
            number = next(counts[kind])
            found[layer] = known[kind] + (f"_{number}" if number else "")
        return found
    rules = {"VGG16": VGG, "VGG19": VGG, "ResNet50": RESNET}.get(name)
    if rules:
        return {layer: renamed(layer, rules) for layer in layers}
    return dict(zip(layers, older, strict=True))  # nothing stands side by side


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
@pytest.mark.parametrize("name", SPECS)
def test_each_layer_of_kerass_network_is_found(
    name: str, suffix: str, applications: Path
) -> None:
    spec, values = SPECS[name]
    text = path_of(spec).read_text()
    lines = [line for line in text.splitlines() if not line.startswith(HEAD)]
    checked = check_source(SourceFile("spec.yaml", "\n".join(lines)), values)
    found = derived(open_stored(applications / f"{name}{suffix}", HDF5), checked)
    older = [g.name for g in open_stored(applications / f"{name}.h5", HDF5).groups]
    truth = truth_of(name, list(found), older)
    assert {ours: theirs for ours, (theirs, _) in found.items()} == truth
    bases = {basis for _, basis in found.values()}
    expected = {"ResNet50": {ORDER, NAMES}, "InceptionV3": {ORDER, NAMES, UNSURE}}
    assert bases == expected.get(name, {ORDER})
