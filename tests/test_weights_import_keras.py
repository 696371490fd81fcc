"""Files of Keras: both formats, kernels that lie otherwise, and the order of flattened maps."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from cnnspec.compile import Checked, check_source
from cnnspec.source import SourceFile
from cnnspec.weights.contents import Array
from cnnspec.weights.convert import Unfit
from cnnspec.weights.importing.adopt import pair_layers, state_of
from cnnspec.weights.importing.hdf5 import read_keras
from cnnspec.weights.importing.names import NOTHING
from cnnspec.weights.importing.own import own_layers
from cnnspec.weights.layout import state_shapes, to_keras
from tests.importing.pairing import derived

Layers = dict[str, dict[str, Array]]
DRAW = np.random.default_rng(0)


def check(layers: str, input: str = "{channels: 2, height: 3, width: 4}") -> Checked:
    text = f"cnnspec: 1\nname: tiny\ninput: {input}\nlayers:\n{layers}"
    checked = check_source(SourceFile("spec.yaml", text), {})
    assert not checked.has_errors, checked.diagnostics
    return checked


def draw(*shape: int) -> Array:
    return DRAW.standard_normal(shape, np.float32)


def write_old(path: Path, layers: Layers, group: str = "/") -> Path:
    """Tensors are named as they are, such as `kernel:0` or `lstm/lstm_cell/kernel`."""
    with h5py.File(path, "w") as file:
        root = file.require_group(group)
        root.attrs["layer_names"] = [name.encode() for name in layers]
        for layer, tensors in layers.items():
            names = [n if "/" in n or "_W" in n else f"{layer}/{n}" for n in tensors]
            made = root.require_group(layer)
            made.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, tensors.values(), strict=True):
                made[name] = value
    return path


def write_new(path: Path, layers: dict[str, tuple[str, list[Array]]]) -> Path:
    """Paths in the tree with a layer's name and variables; what stands above is named, too."""
    with h5py.File(path, "w") as file:
        for place, (name, tensors) in layers.items():
            made = file.require_group(f"{place}/vars")
            if name:
                made.attrs["name"] = name
            for number, value in enumerate(tensors):
                made[str(number)] = value
    return path


def imported(path: Path, checked: Checked) -> dict[str, Array]:
    spec, graph, stored = checked.spec, checked.graph, read_keras(path)
    assert spec is not None
    assert graph is not None
    rows = pair_layers(stored, own_layers(spec, graph, "keras"), NOTHING)
    return state_of(graph, stored, rows)


def by_channel(kernel: Array, channels: int) -> Array:
    """What reads flattened maps (H W C, …) as (C H W, …)."""
    parts = kernel.reshape(-1, channels, *kernel.shape[1:])
    return np.moveaxis(parts, 0, 1).reshape(kernel.shape)


FLATTENED = """\
  - conv: {filters: 3, kernel: 1, bias: false}
  - flatten
  - relu
  - batch_norm
  - dropout: {rate: 0.5}
  - dense: {units: 5, bias: false}
  - dense: {units: 36, bias: false}
"""


def flattened_layers() -> Layers:
    statistics = ("gamma", "beta", "moving_mean", "moving_variance")
    return {
        "c": {"kernel:0": draw(1, 1, 2, 3)},
        "f": {},
        "n": {f"{name}:0": draw(36) for name in statistics},
        "d": {"kernel:0": draw(36, 5)},
        "e": {"kernel:0": draw(5, 36)},
    }


def test_what_reads_flattened_maps_is_put_in_order_up_to_the_dense_layer(
    tmp_path: Path,
) -> None:
    layers = flattened_layers()
    found = imported(write_old(tmp_path / "old.h5", layers), check(FLATTENED))
    kernel = layers["d"]["kernel:0"]
    assert np.array_equal(found["dense1.weight"], by_channel(kernel, 3).T)
    gamma = by_channel(layers["n"]["gamma:0"], 3)
    assert np.array_equal(found["batch_norm.weight"], gamma)
    variance = by_channel(layers["n"]["moving_variance:0"], 3)
    assert np.array_equal(found["batch_norm.running_var"], variance)
    assert np.array_equal(found["dense2.weight"], layers["e"]["kernel:0"].T)


def test_a_program_of_cnnspec_flattens_as_the_spec_does(tmp_path: Path) -> None:
    layers = {"flatten.permute": {}, **flattened_layers()}
    found = imported(write_old(tmp_path / "old.h5", layers), check(FLATTENED))
    assert np.array_equal(found["dense1.weight"], layers["d"]["kernel:0"].T)
    assert np.array_equal(found["batch_norm.bias"], layers["n"]["beta:0"])


def test_flattened_maps_may_be_joined_with_other_vectors(tmp_path: Path) -> None:
    checked = check(
        """\
  - parallel:
      branches:
        - [global_avg_pool]
        - [flatten]
        - - conv: {filters: 3, kernel: 1, bias: false}
          - flatten
  - dense: {units: 5, bias: false}
"""
    )
    kernel = draw(2 + 24 + 36, 5)
    layers = {"c": {"kernel": draw(1, 1, 2, 3)}, "d": {"kernel": kernel}}
    found = imported(write_old(tmp_path / "old.h5", layers), checked)
    parts = (kernel[:2], by_channel(kernel[2:26], 2), by_channel(kernel[26:], 3))
    assert np.array_equal(found["dense.weight"], np.concatenate(parts).T)


@pytest.mark.parametrize(
    ("layers", "path"),
    [
        (
            "  - flatten\n  - dense: {units: 8}\n  - reshape: {channels: 2, length: 4}\n",
            "reshape",
        ),
        (
            "  - flatten\n  - group_norm: {groups: 2}\n  - dense: {units: 8}\n",
            "group_norm",
        ),
    ],
)
def test_an_order_that_cant_be_known_is_refused(
    layers: str, path: str, tmp_path: Path
) -> None:
    tensors: Layers = {"d": {"kernel": draw(24, 8), "bias": draw(8)}}
    if path == "group_norm":
        tensors = {"g": {"gamma": draw(24), "beta": draw(24)}, **tensors}
    file = write_old(tmp_path / "old.h5", tensors)
    with pytest.raises(Unfit, match=f"^{path}: which number of a flattened map"):
        imported(file, check(layers))


def test_kernels_by_channel_are_read_in_either_shape(tmp_path: Path) -> None:
    checked = check(
        """\
  - conv: {filters: 4, kernel: 3, padding: same, groups: 2, bias: false}
  - depthwise_conv: {kernel: 3, padding: same, multiplier: 2, bias: false}
  - depthwise_conv: {kernel: 1, bias: false}
"""
    )
    first, second, third = draw(3, 3, 2, 2), draw(3, 3, 1, 8), draw(1, 1, 8, 1)
    layers = {"a": {"k": first}, "b": {"k": second}, "c": {"k": third}}
    found = imported(write_old(tmp_path / "old.h5", layers), checked)
    kernels = [
        kernel.reshape(*kernel.shape[:2], -1).transpose(2, 0, 1)[:, None]
        for kernel in (first, second, third)
    ]
    names = ("conv.weight", "depthwise_conv1.weight", "depthwise_conv2.weight")
    for name, kernel in zip(names, kernels, strict=True):
        assert np.array_equal(found[name], kernel)


@pytest.mark.parametrize(  # numbered variables don't tell a scale from a shift
    ("lacks", "form"),
    [
        ("scale", "old"),
        ("shift", "old"),
        ("both", "old"),
        ("scale", "new"),
        ("both", "new"),
    ],
)
def test_a_normalisation_may_lack_scale_or_shift(
    lacks: str, form: str, tmp_path: Path
) -> None:
    kept = {"scale": ["beta"], "shift": ["gamma"], "both": []}[lacks]
    tensors = {name: draw(2) for name in (*kept, "moving_mean", "moving_variance")}
    if form == "old":
        file = write_old(tmp_path / "old.h5", {"n": tensors})
    else:
        place = "layers/batch_normalization"
        file = write_new(tmp_path / "new.h5", {place: ("n", [*tensors.values()])})
    found = imported(file, check("  - batch_norm\n"))
    wanted = {"gamma": np.ones(2), "beta": np.zeros(2), **tensors}
    assert np.array_equal(found["batch_norm.weight"], wanted["gamma"])
    assert np.array_equal(found["batch_norm.bias"], wanted["beta"])
    assert np.array_equal(found["batch_norm.running_mean"], wanted["moving_mean"])
    assert np.array_equal(found["batch_norm.running_var"], wanted["moving_variance"])


SEQUENCES = """\
  - permute: {axes: [1, 0]}
  - attention: {heads: 2}
  - lstm: {units: 3, bidirectional: true}
  - dense: {units: 2}
"""
PARTS = {  # of Keras' layers in its new format, by the paths of the spec's variables
    "attention/query": ("multi_head_attention/query_dense", "query"),
    "attention/key": ("multi_head_attention/key_dense", "key"),
    "attention/value": ("multi_head_attention/value_dense", "value"),
    "attention/attention_output": (
        "multi_head_attention/output_dense",
        "attention_output",
    ),
    "lstm/forward_lstm/lstm_cell": ("bidirectional/forward_layer/cell", "lstm_cell"),
    "lstm/backward_lstm/lstm_cell": ("bidirectional/backward_layer/cell", "lstm_cell"),
    "dense": ("dense", "scores"),
}
WHOLE = {
    "layers/multi_head_attention": ("multi_head_attention", []),
    "layers/bidirectional": ("bidirectional", []),
    "layers/bidirectional/forward_layer": ("forward_lstm", []),
    "layers/bidirectional/backward_layer": ("backward_lstm", []),
}


def test_parts_of_layers_are_told_apart_by_their_names(tmp_path: Path) -> None:
    checked = check(SEQUENCES, "{channels: 4, length: 5}")
    assert checked.graph is not None
    shapes = state_shapes(checked.graph)
    state = {name: draw(*shape) for name, shape in shapes.items()}
    parts: dict[str, list[Array]] = {}
    for name, value in to_keras(checked.graph, state).items():
        parts.setdefault(name.rpartition("/")[0], []).append(value)
    assert parts.keys() == PARTS.keys()
    tree = {
        f"layers/{PARTS[part][0]}": (PARTS[part][1], tensors)
        for part, tensors in parts.items()
    }
    found = imported(write_new(tmp_path / "new.h5", WHOLE | tree), checked)
    assert found.keys() == state.keys()
    assert all(np.array_equal(found[name], state[name]) for name in state)


DENSE = "  - dense: {units: 3}\n  - dense: {units: 3}\n  - dense: {units: 3}\n"


def test_older_names_of_layers_and_variables_are_read(tmp_path: Path) -> None:
    """As in whole models, models in models, and files of Keras 1."""
    layers: Layers = {
        "input_1": {},
        "fc1": {"fc1_W_1:0": draw(3, 3), "fc1_W_b_1:0": draw(3)},
        "base": {"fc2/kernel:0": draw(3, 3), "fc2/bias:0": draw(3)},
        "fc3": {"fc3_2/kernel:0": draw(3, 3), "fc3_2/bias:0": draw(3)},
    }
    path = write_old(tmp_path / "whole.h5", layers, "model_weights")
    checked = check(DENSE, "{features: 3}")
    assert derived(read_keras(path), checked) == {
        "dense1": ("fc1", "order"),
        "dense2": ("base/fc2", "order"),
        "dense3": ("fc3/fc3_2", "order"),
    }
    kernel = layers["base"]["fc2/kernel:0"]
    assert np.array_equal(imported(path, checked)["dense2.weight"], kernel.T)


def test_layers_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Ten come before eleven; what a compiled model has beside its layers is no layer."""
    tree = {
        f"layers/dense_{number}" if number else "layers/dense": ("", [draw(3, 3)])
        for number in range(12)
    }
    tree["optimizer"] = ("adam", [draw(3, 3), draw(3, 3)])
    with h5py.File(write_new(tmp_path / "new.h5", tree), "a") as file:
        file["layers/dropout/seed_generator/vars/0"] = np.zeros(2, np.uint32)
    checked = check(
        "  - dense: {units: 3, bias: false}\n    repeat: 12\n", "{features: 3}"
    )
    found = derived(read_keras(tmp_path / "new.h5"), checked)
    assert [name for name, _ in found.values()] == list(tree)[:-1]
    assert {basis for _, basis in found.values()} == {"order"}


def test_a_model_of_its_own_class_keeps_no_order(tmp_path: Path) -> None:
    """Its attributes are sorted: two rows of layers may follow each other either way."""
    tree = {
        "early/dense": ("dense", [draw(3, 3)]),
        "early/dense_1": ("dense_1", [draw(3, 3)]),
        "a_late": ("dense_2", [draw(3, 3)]),
    }
    path = write_new(tmp_path / "new.h5", tree)
    text = DENSE.replace("units: 3", "units: 3, bias: false")
    found = derived(read_keras(path), check(text, "{features: 3}"))
    assert "unsure" in {basis for _, basis in found.values()}
    order = [theirs for theirs, _ in found.values()]
    assert order.index("dense") < order.index("dense_1")
