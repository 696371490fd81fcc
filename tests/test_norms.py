"""Normalisations: what they refuse, what they count, and one response by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cnnspec.emit.build import model_text
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import EVERYWHERE, Layer, Misfit
from cnnspec.shapes import SEQUENCE, Shape, maps, vector
from tests.parity.harness import check_text

SEQUENCE_OF_5 = Shape(SEQUENCE, (5, 6))
RESPONSES = """
cnnspec: 1
name: net
input: {channels: 4, height: 1, width: 1}
layers: [{local_response_norm: {size: SIZE, alpha: 0.5, beta: 1, k: 2}}]
"""


def make(op: str, **given: Any) -> Layer:
    """A layer with these fields, as a spec gives them."""
    fields = OPERATIONS[op].fields
    return OPERATIONS[op]({name: fields[name].accept(v) for name, v in given.items()})


def sizes(layer: Layer, shape: Shape) -> list[tuple[int, ...]]:
    assert layer.infer((shape,)) == (shape,)
    return [weight.shape for weight in layer.weights((shape,))]


def test_a_layer_norm_learns_a_scale_and_a_shift_for_all_it_takes_together() -> None:
    norm, over_channels = make("layer_norm"), make("layer_norm", over="channels")
    assert sizes(norm, maps(4, 8, 9)) == [(4, 8, 9)] * 2
    assert sizes(over_channels, maps(4, 8, 9)) == [(4,)] * 2
    for layer in (norm, over_channels):
        assert sizes(layer, vector(6)) == sizes(layer, SEQUENCE_OF_5) == [(6,)] * 2
    assert sizes(make("layer_norm", affine=False), vector(6)) == []


def test_what_looks_at_whole_maps_reaches_everywhere() -> None:
    inputs = (maps(4, 8, 9),)
    for layer in (
        make("layer_norm"),
        make("rms_norm"),
        make("group_norm", groups=2),
        make("instance_norm"),
    ):
        assert layer.reach(inputs) is EVERYWHERE
    assert make("rms_norm", over="channels").reach(inputs) is None
    assert make("layer_norm").reach((SEQUENCE_OF_5,)) is None
    assert make("local_response_norm").reach(inputs) is None


@pytest.mark.parametrize(
    ("layer", "shape", "remedies"),
    [
        (make("layer_norm", over="channels"), maps(1, 8, 8), ["over all"]),
        (make("rms_norm"), vector(1), []),
        (make("layer_norm"), Shape(SEQUENCE, (5, 1)), []),
        (make("group_norm", groups=6), vector(6), ["groups 3", "groups 2"]),
        (make("instance_norm"), maps(3, 1, 1), []),
    ],
)
def test_normalising_single_numbers_is_refused(
    layer: Layer, shape: Shape, remedies: list[str]
) -> None:
    with pytest.raises(Misfit) as caught:
        layer.infer((shape,))
    remark = caught.value.remark
    assert remark.code == "CS310"
    assert [remedy.text for remedy in remark.remedies] == remedies
    assert bool(remark.help) != bool(remedies)


def test_groups_that_do_not_divide_offer_those_that_do() -> None:
    with pytest.raises(Misfit) as caught:
        make("group_norm", groups=32).infer((maps(48, 8, 8),))
    remark = caught.value.remark
    assert (remark.code, remark.label) == ("CS305", "48 channels, 32 groups")
    texts = [remedy.text for remedy in remark.remedies]
    assert texts == ["groups 24", "groups 16", "groups 48"]


@pytest.mark.parametrize(
    ("size", "sums"), [(3, [5.0, 14, 29, 25]), (2, [1.0, 5, 13, 25])]
)
def test_a_response_is_divided_by_that_of_its_neighbours(
    size: int, sums: list[float]
) -> None:
    """By hand, for x = 1, 2, 3, 4: y = x / (2 + (sum of squares around) / 2)."""
    checked = check_text(RESPONSES.replace("SIZE", str(size)))
    module: dict[str, Any] = {}
    exec(model_text(checked, "pytorch", None), module)
    x = torch.tensor([1.0, 2, 3, 4])
    made = module["Net"]()(x.reshape(1, 4, 1, 1)).flatten()
    assert torch.allclose(made, x / (2 + torch.tensor(sums) / 2))
