"""`cnnspec verify` as a user runs it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cnnspec.cli import cli
from cnnspec.verify import packages, training
from cnnspec.verify.report import COLUMNS

EVERYTHING = """\
cnnspec: 1
name: everything
input: {channels: 3, height: 12, width: 12}
blocks:
  unit:
    args: {filters: ~}
    layers:
      - residual:
          body:
            - conv: {filters: $filters, kernel: 3, padding: same, bias: false}
            - batch_norm
          shortcut:
            - conv: {filters: $filters, kernel: 1}
              when: $(in_channels != filters)
      - relu
layers:
  - conv: {filters: 6, kernel: 3, stride: 2, padding: same, activation: gelu}
    trainable: false
  - unit: {filters: 8}
    repeat: 2
  - dropout: {rate: 0.5}
  - head:
      name: auxiliary
      serve: false
      loss_weight: 0.3
      layers:
        - flatten
        - dense: {units: 4}
  - max_pool: {kernel: 3, stride: 2, padding: 1}
  - global_avg_pool
  - dense: {units: 4}
  - softmax
train:
  epochs: 4
  optimizer: {sgd: {learning_rate: 0.02, momentum: 0.9, nesterov: true, weight_decay: 1e-3}}
  schedule: cosine
  warmup: 1
  clip_norm: 0.5
"""

TWO_INPUTS = """\
cnnspec: 1
name: captions
inputs:
  picture: {channels: 3, height: 8, width: 8}
  words: {length: 5, vocabulary: 11}
layers:
  - flatten:
    from: picture
  - dense: {units: 6}
    name: seen
  - embedding: {features: 6}
    from: words
  - lstm: {units: 6, initial_state: seen}
  - dense: {units: 11}
"""


def verify(folder: Path, spec: str, *args: str) -> subprocess.CompletedProcess[str]:
    (folder / "spec.yaml").write_text(spec)
    command = [sys.executable, "-m", "cnnspec", "verify", "spec.yaml", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_certificate_tells_every_layer_and_step(tmp_path: Path) -> None:
    done = verify(tmp_path, EVERYTHING, "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["version"] == 1 and found["file"] == "spec.yaml"
    assert found["same"] and not found["differences"]
    assert found["limits"] == dict(zip(COLUMNS, (1e-5, 1e-6, 1e-6, 1e-6), strict=True))
    layers = {layer["path"]: layer for layer in found["layers"]}
    assert len(layers) == 17
    assert layers["unit[1].conv1"]["line"] == 10
    assert layers["unit[1].conv1"]["output"] == [8, 6, 6]
    del layers["softmax"]  # which is left to the loss
    for path, layer in layers.items():
        for column in ("serving", "training"):
            assert layer[column] <= found["limits"][column], path
    learning = [p for p, layer in layers.items() if layer["gradients"] is not None]
    assert learning == [
        "unit[0].conv1",
        "unit[0].batch_norm",
        "unit[0].conv2",
        "unit[1].conv1",
        "unit[1].batch_norm",
        "dense1",
        "dense2",
    ]
    assert layers["conv"]["weights"] == 0  # it is frozen
    assert len(found["losses"]) == 20 and found["losses"][-1] < found["losses"][0]
    assert any("n is 144 values" in note for note in found["notes"])


def test_a_network_of_several_inputs_has_gradients_and_no_steps(tmp_path: Path) -> None:
    done = verify(tmp_path, TWO_INPUTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 steps" not in done.stdout
    assert "there is no training program, because it has 2 inputs" in done.stdout
    assert done.stdout.endswith(
        "PyTorch and Keras are the same network: 5 layers forward, all gradients\n"
    )


def test_what_has_no_float64_kernel_is_held_to_one_step(tmp_path: Path) -> None:
    spec = """\
cnnspec: 1
name: normed
input: {channels: 3, height: 8, width: 8}
layers:
  - conv: {filters: 6, kernel: 3, activation: relu}
  - local_response_norm: {size: 5, alpha: 1e-2, k: 2.0}
  - flatten
  - dense: {units: 10}
"""
    (tmp_path / "spec.yaml").write_text(spec)
    build = ("build", "spec.yaml", "--target", "keras", "-o", "edited")
    subprocess.run([sys.executable, "-m", "cnnspec", *build], cwd=tmp_path, check=True)
    model = tmp_path / "edited" / "model.py"
    text = re.sub(
        r"x = _local_response_norm\(.*\)",
        "x = Norm(name='local_response_norm')(x)",
        model.read_text(),
    )
    own = """

class Norm(layers.Layer):
    def call(self, x):
        import tensorflow as tf

        return tf.nn.local_response_normalization(x, 2, 2.0, 1e-2, 0.75)
"""
    model.write_text(text + own)
    done = verify(tmp_path, spec, "--keras", "edited")
    assert done.returncode == 0, done.stdout + done.stderr
    words = "TensorFlow has no float64 kernel for local_response_norm on the CPU"
    assert words in done.stdout
    assert re.search(r"gradients +1 step", done.stdout)
    assert "4 layers forward, all gradients, 1 training step" in done.stdout


def test_a_training_that_diverges_is_no_proof(tmp_path: Path) -> None:
    spec = """\
cnnspec: 1
name: rash
input: {channels: 1, height: 8, width: 8}
layers:
  - flatten
  - dense: {units: 16, activation: relu}
  - dense: {units: 3}
train: {loss: mean_squared_error, optimizer: {sgd: {learning_rate: 1e30}}}
"""
    done = verify(tmp_path, spec, "--format", "json")
    assert done.returncode == 1
    found = json.loads(done.stdout)  # which has no word for a number that is none
    assert not found["same"] and {"inf", "nan"} & set(found["losses"])
    (difference,) = found["differences"]
    assert difference["stage"] == "loss"
    assert (
        "not finite in PyTorch: this training proves nothing" in difference["message"]
    )


@pytest.mark.parametrize(
    ("nudged", "steady"),
    [([3.0, 2.0, 1.0], 3), ([3.0, 2.0, 1.1], 2), ([3.1, 2.0, 1.0], 0)],
)
def test_steps_are_steady_until_a_rounding_shows(
    nudged: list[float], steady: int, tmp_path: Path
) -> None:
    (tmp_path / "pytorch-losses.json").write_text(json.dumps([3.0, 2.0, 1.0]))
    (tmp_path / "nudged-losses.json").write_text(json.dumps(nudged))
    assert training.steady_steps(tmp_path) == steady


def test_a_spec_with_errors_is_not_verified(tmp_path: Path) -> None:
    done = verify(tmp_path, EVERYTHING.replace("units: 4}", "units: four}"))
    assert done.returncode == 1
    assert "error[CS107]" in done.stderr and not done.stdout


def test_a_folder_without_a_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = verify(tmp_path, TWO_INPUTS, "--pytorch", "empty")
    assert done.returncode == 2
    assert done.stderr == "error: empty: no model.py there: it is no pytorch program\n"


def test_a_missing_framework_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: name != "keras" or None)
    (tmp_path / "spec.yaml").write_text(TWO_INPUTS)
    done = CliRunner().invoke(cli, ["verify", str(tmp_path / "spec.yaml")])
    assert done.exit_code == 2
    assert done.stderr == (
        "error: keras: not installed here, and verify runs both programs\n"
    )
