"""Activations by name: as fields, as arguments of blocks, on sequences, and before a loss."""

from __future__ import annotations

import json
import subprocess
import sys
from inspect import cleandoc
from pathlib import Path
from textwrap import indent

import pytest

from cnnspec.compile import check_source
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.emit.site import Inexpressible
from cnnspec.layers import OPERATIONS
from cnnspec.layers.activation import ACTIVATIONS
from cnnspec.source import SourceFile
from tests.parity.harness import Outcome, assert_same_network, check_text, run_both

HEAD = "cnnspec: 1\nname: net\n"
IMAGE = HEAD + "input: {channels: 3, height: 5, width: 4}\n"
TOKENS = HEAD + "input: {length: 5, vocabulary: 7}\n"
USES = "".join(f"  - unit: {{act: {name}}}\n" for name in ACTIVATIONS)
BLOCK = """
blocks:
  unit:
    args: {act: ~}
    layers:
      - conv: {filters: 3, kernel: 1, activation: $act}
      - activation: {function: $act}
layers:
"""
SPECS = {
    f"field_{name}": IMAGE
    + f"""
layers:
  - conv: {{filters: 4, kernel: 3, activation: {name}}}
  - activation: {{function: {name}}}
  - flatten
  - dense: {{units: 3, activation: {name}}}
"""
    for name in ACTIVATIONS
}
SPECS |= {
    "words_and_functions": IMAGE + BLOCK + USES,
    "words": IMAGE
    + BLOCK
    + "  - unit: {act: silu}\n  - unit: {act: gelu}\n  - unit: {act: none}\n",
    "two_blocks": IMAGE
    + BLOCK.replace(
        "\nlayers:\n",
        """
  other:
    args: {act: ~}
    layers:
      - activation: {function: $act}
layers:
""",
    )
    + """\
  - unit: {act: mish}
  - unit: {act: relu}
  - other: {act: scaled_tanh}
  - other: {act: relu}
""",
    "repeated": IMAGE
    + """
layers:
  - prelu:
    repeat: 2
  - layer_scale: {initial: $(0.5 + index), bias: true}
    repeat: 2
  - conv: {filters: 4, kernel: 1, activation: "$('silu' if index == 0 else 'leaky_relu')"}
    repeat: 2
""",
    "learned_or_shared": IMAGE
    + """
blocks:
  unit:
    args: {one: ~, shifted: ~}
    layers:
      - prelu: {shared: $one}
      - layer_scale: {bias: $shifted, initial: 0.5}
layers:
  - unit: {one: true, shifted: false}
  - conv: {filters: 4, kernel: 3}
  - unit: {one: false, shifted: true}
""",
    "vector": HEAD
    + """
input: {features: 6}
layers:
  - prelu
  - layer_scale: {bias: true}
  - prelu: {shared: true}
  - log_softmax
""",
    "sequence": TOKENS
    + """
layers:
  - embedding: {features: 6}
  - prelu
  - spatial_dropout: {rate: 0}
  - layer_scale: {bias: true}
  - prelu: {shared: true}
  - drop_path: {rate: 0.5}
  - dense: {units: 4, activation: log_softmax}
  - activation: {function: softmax}
""",
    "sequence_and_maps": HEAD
    + """
inputs:
  image: {channels: 3, height: 5, width: 4}
  words: {length: 5, vocabulary: 7}
blocks:
  picture:
    args: {act: ~}
    layers:
      - conv: {filters: 3, kernel: 1, activation: $act}
  text:
    args: {act: ~}
    layers:
      - dense: {units: 6, activation: $act}
layers:
  - picture: {act: softmax}
    from: image
  - picture: {act: relu}
    name: seen
  - embedding: {features: 6}
    from: words
  - text: {act: softmax}
  - text: {act: tanh}
    name: read
outputs: [seen, read]
""",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    specs = {name: check_text(text) for name, text in SPECS.items()}
    return run_both(specs, tmp_path_factory.mktemp("activations"))


@pytest.mark.parametrize("name", SPECS)
def test_both_models_compute_the_functions_that_are_named(
    name: str, outcomes: dict[str, Outcome]
) -> None:
    assert_same_network(outcomes[name])


def texts(name: str) -> tuple[str, str]:
    checked = check_text(SPECS[name])
    pytorch, keras = (model_text(checked, target, None) for target in TARGETS)
    return pytorch, keras


def test_a_program_holds_the_functions_that_its_blocks_are_given_and_no_others() -> (
    None
):
    pytorch, keras = texts("two_blocks")
    table = pytorch.partition("functions = {")[2].partition("}")[0]
    assert table.split() == [
        *('"relu":', "F.relu,"),
        *('"mish":', "F.mish,"),
        *('"scaled_tanh":', "_scaled_tanh,"),
    ]
    table = keras.partition("functions = {")[2].partition("}")[0]
    assert table.split() == ['"scaled_tanh":', "_scaled_tanh,"]
    assert pytorch.count("def _scaled_tanh") == keras.count("def _scaled_tanh") == 1


def test_keras_own_words_are_handed_on_as_they_are() -> None:
    _, keras = texts("words")
    assert "functions" not in keras
    assert 'activation="linear" if act == "none" else act' in keras


def test_a_function_that_keras_means_otherwise_is_said_in_full() -> None:
    _, keras = texts("field_leaky_relu")
    assert 'activation="leaky_relu"' not in keras
    assert "activation=layers.LeakyReLU(0.01)" in keras


def final(layer: str, loss: str) -> dict[str, str]:
    text = f"{IMAGE}layers:\n  - flatten\n  - dense: {{units: 3}}\n  - {layer}\n"
    return {t: model_text(check_text(text), t, loss) for t in TARGETS}


@pytest.mark.parametrize(
    ("name", "loss"),
    [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")],
)
def test_a_final_function_that_the_loss_applies_may_be_named_by_a_field(
    name: str, loss: str
) -> None:
    for text in final(f"activation: {{function: {name}}}", loss).values():
        assert name not in text
    for text in final(
        f"activation: {{function: {name}}}", "mean_squared_error"
    ).values():
        assert name in text


def test_a_final_log_softmax_stays_for_its_cross_entropy_is_the_same() -> None:
    import torch
    import torch.nn.functional as F

    for text in final("log_softmax", "cross_entropy").values():
        assert "log_softmax" in text
        assert "Output: logits" in text
    logits, target = torch.randn(8, 5, dtype=torch.float64), torch.arange(8) % 5
    once = F.cross_entropy(logits, target)
    assert torch.isclose(F.cross_entropy(logits.log_softmax(1), target), once)
    assert torch.allclose(logits.log_softmax(1).softmax(1), logits.softmax(1))


def test_a_softmax_by_name_on_maps_and_on_a_sequence_is_no_single_class() -> None:
    text = (
        HEAD
        + """
inputs:
  image: {channels: 6, height: 5, width: 4}
  words: {length: 5, vocabulary: 7}
blocks:
  unit:
    args: {act: ~}
    layers:
      - activation: {function: $act}
layers:
  - unit: {act: softmax}
    from: image
    name: seen
  - embedding: {features: 6}
    from: words
  - unit: {act: relu}
    name: read
outputs: [seen, read]
"""
    )
    with pytest.raises(Inexpressible) as caught:
        model_text(check_text(text), "pytorch", None)
    assert caught.value.code == "CS501"


BEGINNINGS = (
    IMAGE
    + """
layers:
  - prelu
  - prelu: {initial: 0.5, shared: true}
  - layer_scale
  - layer_scale: {initial: 2, bias: true}
"""
)
WRITE = """
import json, runpy, sys
module = runpy.run_path(sys.argv[1])
if "keras" in sys.argv[1]:
    made = {v.path: v.numpy() for v in module["net"]().weights}
else:
    made = {k: v.numpy() for k, v in module["Net"]().state_dict().items()}
print(json.dumps([[value.size, sorted(set(value.ravel().tolist()))] for value in made.values()]))
"""


@pytest.mark.parametrize("target", TARGETS)
def test_slopes_and_factors_begin_at_initial_and_shifts_at_zero(
    target: str, tmp_path: Path
) -> None:
    folder = tmp_path / target
    folder.mkdir()
    path = folder / "model.py"
    path.write_text(model_text(check_text(BEGINNINGS), target, None))
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == [
        [3, [0.25]],
        [1, [0.5]],
        [3, [pytest.approx(1e-6)]],
        [3, [2]],
        [3, [0]],
    ]


SHAPED = """
for output in {}().outputs:
    assert None not in output.shape[1:], output
"""


def test_every_operation_can_follow_scaled_tanh_in_keras() -> None:
    """Keras marks a product with a number as sparse, and some layers fail on that."""
    sources = []
    for op, cls in OPERATIONS.items():
        example = indent(cleandoc(cls.example), "  ")
        for inside in (False, True):
            name = f"{op}_in_a_block" if inside else f"net_{op}"
            layers = f"  - scaled_tanh\n{example}\n"
            if inside:
                block = indent(layers, "    ")
                layers = f"  - unit\nblocks:\n  unit:\n    layers:\n{block}"
            text = f"cnnspec: 1\nname: {name}\ninput: {cls.example_input}\nlayers:\n"
            checked = check_source(SourceFile("spec.yaml", text + layers), {})
            if not checked.has_errors:
                sources.append(model_text(checked, "keras", None) + SHAPED.format(name))
    assert len(sources) > len(OPERATIONS)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(sources)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
