"""What lint finds, and what it leaves alone."""

from __future__ import annotations

import pytest

from tests.checking import codes

VECTOR = "input: {features: 4}\n"


@pytest.mark.parametrize(
    "text",
    [
        "- conv: {filters: 4, kernel: 3, bias: false}\n- batch_norm",
        "- conv: {filters: 4, kernel: 3, activation: relu}\n- batch_norm",
        "- conv: {filters: 4, kernel: 3}\n- layer_norm",
        # Running statistics do not follow the bias.
        "- conv: {filters: 4, kernel: 3}\n- batch_norm:\n  trainable: false",
        # The bias is read by another layer, too.
        "- conv: {filters: 4, kernel: 3}\n  name: a\n- batch_norm\n- add: {with: [a]}",
        # Projections pick pixels.
        "- conv: {filters: 4, kernel: 1, stride: 2}",
        "- conv: {filters: 4, kernel: 3, stride: 2, dilation: 2}",
        "- relu\n- conv: {filters: 4, kernel: 3}\n- relu",
        "- relu\n- abs",
    ],
)
def test_what_is_meant_is_no_finding(text: str) -> None:
    assert not {"CS405", "CS406", "CS407"} & set(codes(text))


def test_the_bias_of_a_recurrent_layer_is_not_lost() -> None:
    text = (
        "input: {length: 5, features: 4}\nlayers:\n"
        "  - lstm: {units: 3}\n  - batch_norm\n"
    )
    assert codes(text) == []


@pytest.mark.parametrize(
    ("layers", "train", "found"),
    [
        ("dense: {units: 3, activation: softmax}", "{loss: cross_entropy}", ["CS491"]),
        ("dense: {units: 3, activation: softmax}", "{epochs: 1}", ["CS491"]),
        # A single output is trained by binary cross-entropy where no loss is given.
        ("dense: {units: 1, activation: sigmoid}", "{epochs: 1}", ["CS491"]),
        ("dense: {units: 3, activation: relu}", "{epochs: 1}", ["CS410"]),
        ("dense: {units: 3, activation: sigmoid}", "{loss: cross_entropy}", ["CS410"]),
        ("dense: {units: 3, activation: sigmoid}", "{loss: mean_squared_error}", []),
        ("dense: {units: 3, activation: log_softmax}", "{loss: cross_entropy}", []),
        ("dense: {units: 3}", "{loss: cross_entropy}", []),
    ],
)
def test_what_stands_before_the_loss(layers: str, train: str, found: list[str]) -> None:
    assert codes(f"{VECTOR}layers: [{{{layers}}}]\ntrain: {train}\n") == found


@pytest.mark.parametrize(
    ("first", "data", "found"),
    [
        ("dense: {units: 3}", "{source: arrays, path: x.npz}", ["CS409"]),
        ("batch_norm: {}", "{source: arrays, path: x.npz}", []),
        (
            "dense: {units: 3}",
            "{source: arrays, path: x.npz, normalize: {mean: 1, std: 2}}",
            [],
        ),
        ("dense: {units: 3}", "{source: synthetic}", []),
    ],
)
def test_an_input_is_normalised_by_its_data_or_by_the_first_layer(
    first: str, data: str, found: list[str]
) -> None:
    text = f"{VECTOR}layers: [{{{first}}}, {{dense: {{units: 3}}}}]\ndata: {data}\n"
    assert codes(text) == found
