"""What operations refuse and remark, with places, words and computed remedies."""

from __future__ import annotations

import random
from typing import Any

import pytest

from cnnspec.fields import Names
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Layer, Misfit, Remark
from cnnspec.shapes import SEQUENCE, TOKENS, VECTOR, Shape, maps, vector


def make(op: str, **given: Any) -> Layer:
    """A layer with these fields, as a spec gives them."""
    fields = OPERATIONS[op].fields
    return OPERATIONS[op]({name: fields[name].accept(v) for name, v in given.items()})


def out(layer: Layer, *inputs: Shape) -> Shape:
    (shape,) = layer.infer(inputs)
    return shape


def fault(layer: Layer, *inputs: Shape) -> Remark:
    with pytest.raises(Misfit) as caught:
        layer.infer(inputs)
    return caught.value.remark


def texts(remark: Remark) -> list[str]:
    return [remedy.text for remedy in remark.remedies]


def test_kernel_larger_than_its_padded_input_shows_both() -> None:
    found = fault(make("conv", filters=1, kernel=7), maps(3, 4, 4))
    assert (found.code, found.field, found.port) == ("CS301", "kernel", 0)
    assert found.label == "needs 7x7, gets 4x4"
    assert texts(found) == ["padding same", "kernel 4", "padding 2"]


def test_kernel_larger_on_one_axis_keeps_the_other_where_they_differ() -> None:
    found = fault(make("max_pool", kernel=[1, 7]), maps(3, 4, 4))
    assert "kernel [1, 4]" in texts(found)


def test_dense_on_maps_says_what_to_put_before_it() -> None:
    found = fault(make("dense", units=10), maps(64, 7, 7))
    assert found.code == "CS302"
    assert found.message == "`dense` takes a vector or a sequence, not maps"
    assert found.label == "gets an image of 64x7x7"
    assert found.help == "put `flatten` or `global_avg_pool` before it"


WINDOWS = ["conv", "max_pool", "avg_pool", "lp_pool", "adaptive_avg_pool", "upsample"]


@pytest.mark.parametrize("op", WINDOWS)
@pytest.mark.parametrize("layout", [VECTOR, SEQUENCE, TOKENS])
def test_windows_need_maps(op: str, layout: str) -> None:
    fields = OPERATIONS[op].fields.values()
    layer = make(op, **{f.name: f.samples()[0] for f in fields if f.required})
    sizes = (5, 6) if layout == SEQUENCE else (5,)
    assert fault(layer, Shape(layout, sizes)).code == "CS302"


def test_tokens_are_no_numbers() -> None:
    tokens = Shape(TOKENS, (5,), 100)
    takers = [op for op in OPERATIONS if op != "identity" and not needs(op)]
    assert "relu" in takers
    for op in takers:
        assert fault(make(op), tokens).code == "CS302", op
    assert out(make("identity"), tokens) == tokens


def needs(op: str) -> bool:
    return any(
        f.required and not isinstance(f, Names) for f in OPERATIONS[op].fields.values()
    )


@pytest.mark.parametrize(
    ("field", "value", "label"),
    [
        ("kernel", [3, 3, 3], "gets [3, 3, 3], takes one number or 2 (height, width)"),
        ("stride", [2], "gets [2], takes one number or 2 (height, width)"),
        (
            "padding",
            [1, 1, 1],
            (
                "gets [1, 1, 1], takes one number, 2 (height, width) or "
                "4 (top, bottom, left, right)"
            ),
        ),
    ],
)
def test_list_needs_a_number_for_each_axis(field: str, value: Any, label: str) -> None:
    layer = make("conv", **{"filters": 1, "kernel": 3, field: value})
    found = fault(layer, maps(3, 9, 9))
    assert (found.code, found.field, found.label) == ("CS303", field, label)


def test_stride_3_on_7_pixels_shows_two_and_a_third_windows() -> None:
    layer = make("conv", filters=1, kernel=3, stride=3, rounding="exact")
    found = fault(layer, maps(1, 7, 7))
    assert found.code == "CS304"
    assert found.label == "(7 - 3 + 0)/3 + 1 = 2.33"
    assert texts(found) == ["padding 1", "kernel 4", "stride 2"]


def test_exact_rounding_of_any_axis_counts() -> None:
    layer = make("avg_pool", kernel=2, rounding="exact")
    assert out(layer, maps(1, 8, 6)) == maps(1, 4, 3)
    assert fault(layer, maps(1, 8, 7)).label == "(7 - 2 + 0)/2 + 1 = 3.50"


def test_groups_offer_the_nearest_divisors() -> None:
    found = fault(make("conv", filters=64, kernel=3, groups=5), maps(32, 8, 8))
    assert (found.code, found.port) == ("CS305", 0)
    assert found.label == "32 channels, 5 groups"
    assert texts(found) == ["groups 4", "groups 2", "groups 32", "groups 1"]


def test_groups_that_do_not_divide_the_filters_offer_other_filters() -> None:
    found = fault(make("conv", filters=30, kernel=3, groups=4), maps(32, 8, 8))
    assert found.label == "30 filters, 4 groups"
    assert texts(found) == ["groups 2", "filters 32", "filters 28", "groups 1"]


def test_groups_of_huge_numbers_are_judged_at_once() -> None:
    found = fault(
        make("conv", filters=10**18, kernel=3, groups=10**17 + 1), maps(9, 8, 8)
    )
    assert texts(found) == ["groups 1"]


@pytest.mark.parametrize(
    ("op", "shapes", "message"),
    [
        (
            "add",
            [maps(64, 56, 56), maps(128, 28, 28)],
            "`add` can't merge 64x56x56 and 128x28x28",
        ),
        (
            "multiply",
            [maps(8, 4, 4), maps(8, 1, 4)],
            "`multiply` can't merge 8x4x4 and 8x1x4",
        ),
        (
            "average",
            [maps(8, 4, 4), maps(8, 1, 1)],
            "`average` can't merge 8x4x4 and 8x1x1",
        ),
        (
            "concat",
            [maps(8, 4, 4), maps(8, 4, 5)],
            "`concat` can't merge 8x4x4 and 8x4x5",
        ),
        (
            "concat",
            [vector(8), maps(8, 4, 4)],
            "`concat` can't merge a vector of 8 and an image of 8x4x4",
        ),
    ],
)
def test_merge_shows_both_shapes_and_points_at_the_other(
    op: str, shapes: list[Shape], message: str
) -> None:
    found = fault(make(op), *shapes)
    assert (found.code, found.message, found.port) == ("CS306", message, 1)


def test_merge_points_at_the_third_input_where_that_differs() -> None:
    found = fault(make("add"), maps(8, 4, 4), maps(8, 1, 1), maps(8, 4, 5))
    assert found.port == 2
    assert found.label == "gets 8x4x5, takes an image of 8x4x4"


def test_maps_of_extent_1_spread_in_either_order() -> None:
    for op in ("add", "multiply"):
        assert out(make(op), maps(8, 4, 4), maps(8, 1, 1)) == maps(8, 4, 4)
        assert out(make(op), maps(8, 1, 1), maps(8, 4, 4)) == maps(8, 4, 4)


def test_vector_beside_its_maps_is_told_about_keep() -> None:
    found = fault(make("multiply"), maps(8, 4, 4), vector(8))
    assert found.help and "keep: true" in found.help


def test_concat_adds_channels_or_features() -> None:
    layer = make("concat")
    assert out(layer, maps(3, 4, 4), maps(5, 4, 4)) == maps(8, 4, 4)
    assert out(layer, vector(3), vector(5)) == vector(8)
    left, right = Shape(SEQUENCE, (5, 3)), Shape(SEQUENCE, (5, 4))
    assert out(layer, left, right) == Shape(SEQUENCE, (5, 7))


def test_unread_pixels_are_counted_and_remedies_computed() -> None:
    layer, inputs = make("conv", filters=1, kernel=3, stride=2), (maps(3, 224, 224),)
    (found,) = layer.remarks(inputs)
    assert (found.code, found.field) == ("CS401", "stride")
    assert found.lead == "stride 2 drops 1 row and 1 column"
    assert found.label == "no window reads row 224 and column 224 of 3x224x224"
    assert texts(found) == ["padding 1", "kernel 4", "stride 1"]


def test_pool_may_also_keep_its_partial_window() -> None:
    (found,) = make("max_pool", kernel=4).remarks((maps(3, 11, 8),))
    assert found.lead == "stride 4 drops 3 rows"
    assert found.label == "no window reads rows 9 to 11 of 3x11x8"
    assert texts(found)[-1] == "rounding ceil"


@pytest.mark.parametrize("op", ["conv", "max_pool", "avg_pool"])
def test_every_remedy_of_unread_or_inexact_windows_mends_them(op: str) -> None:
    draw = random.Random(op)
    tried = 0
    for _ in range(300):
        rank = draw.choice([1, 2, 3])
        given: dict[str, Any] = {
            "kernel": [draw.randint(1, 5) for _ in range(rank)],
            "stride": [draw.randint(1, 4) for _ in range(rank)],
            "padding": draw.randint(0, 2),
            "rounding": draw.choice(["floor", "exact"]),
        }
        if op == "conv":
            given |= {"filters": 1, "dilation": draw.choice([1, 2])}
        inputs = (maps(1, *(draw.randint(6, 20) for _ in range(rank))),)
        for remark in remarks_of(make(op, **given), inputs):
            if remark.code not in ("CS304", "CS401"):
                continue
            for remedy in remark.remedies:
                mended = make(op, **given | remedy.changes)
                assert not remarks_of(mended, inputs, remark.code), (given, remedy)
                tried += 1
    assert tried > 100


def remarks_of(
    layer: Layer, inputs: tuple[Shape, ...], code: str | None = None
) -> list[Remark]:
    try:
        layer.infer(inputs)
        found = layer.remarks(inputs)
    except Misfit as misfit:
        found = [misfit.remark]
    return [remark for remark in found if code in (None, remark.code)]


def test_projection_with_stride_is_no_finding() -> None:
    assert not make("conv", filters=1, kernel=1, stride=2).remarks((maps(3, 56, 56),))


def test_dropped_padding_is_no_finding() -> None:
    layer = make("conv", filters=1, kernel=7, stride=2, padding=3)
    assert not layer.remarks((maps(3, 224, 224),))


def test_ceil_leaves_no_pixel_unread() -> None:
    assert not make("max_pool", kernel=3, rounding="ceil").remarks((maps(3, 10, 10),))


def test_padding_of_at_least_the_kernel_is_remarked() -> None:
    (found,) = make("conv", filters=1, kernel=3, padding=3).remarks((maps(3, 8, 8),))
    assert (found.code, found.field) == ("CS402", "padding")
    assert found.label == "pads 3x3, a window spans 3x3"
    assert texts(found) == ["padding 2", "padding same"]


def test_pool_of_padding_alone_is_refused_where_padding_is_no_number() -> None:
    shape = maps(3, 8, 8)
    assert fault(make("max_pool", kernel=2, padding=2), shape).code == "CS309"
    uncounted = make("avg_pool", kernel=2, padding=2, count_padding=False)
    assert fault(uncounted, shape).code == "CS309"
    (found,) = make("avg_pool", kernel=2, padding=2).remarks((shape,))
    assert found.code == "CS402"
