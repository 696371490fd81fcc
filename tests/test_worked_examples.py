"""The lectures' worked examples through `cnnspec check`: sizes and parameters to the digit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import check_json

FACTS = yaml.safe_load(
    (Path(__file__).parent / "facts" / "worked_examples.yaml").read_text()
)
SIZES, PARAMS = FACTS["sizes"], FACTS["params"]
FITTING = [row for row in SIZES if "out" in row]
UNFIT = [row for row in SIZES if row.get("exact") is False]
SAME = [row for row in SIZES if "same_padding" in row]
ASKED = [row for row in SIZES if row.get("p") == "?"]


def check(folder: Path, shape: list[int], *layers: dict[str, Any]) -> dict[str, Any]:
    channels, height, width = shape
    spec = {
        "cnnspec": 1,
        "name": "net",
        "input": {"channels": channels, "height": height, "width": width},
        "layers": list(layers),
    }
    path = folder / "spec.yaml"
    path.write_text(json.dumps(spec))
    return check_json(path)


def window(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kernel": row["f"], "stride": row["s"], "padding": row["p"], **more}


def test_every_row_is_of_a_kind_that_is_tested() -> None:
    assert len(FITTING) + len(UNFIT) + len(SAME) + len(ASKED) == len(SIZES)


@pytest.mark.parametrize(
    ("op", "rounding"),
    [("conv", r) for r in ("floor", "exact")]
    + [("max_pool", r) for r in ("floor", "exact", "ceil")],
)
@pytest.mark.parametrize("row", FITTING, ids=str)
def test_window_that_fits_has_the_lectures_size(
    row: dict[str, Any], op: str, rounding: str, tmp_path: Path
) -> None:
    fields = window(row, rounding=rounding) | ({"filters": 2} if op == "conv" else {})
    found = check(tmp_path, [2, row["n"], row["n"]], {op: fields})
    assert found["ok"]
    assert found["outputs"] == {"output": [2, row["out"], row["out"]]}
    assert found["diagnostics"] == []


@pytest.mark.parametrize("row", UNFIT, ids=str)
def test_window_that_does_not_fit_is_refused_with_the_lectures_value(
    row: dict[str, Any], tmp_path: Path
) -> None:
    fields = window(row, rounding="exact", filters=1)
    found = check(tmp_path, [1, row["n"], row["n"]], {"conv": fields})
    (fault,) = found["diagnostics"]
    assert (found["ok"], fault["code"]) == (False, "CS304")
    assert fault["notes"] == [
        f"({row['n']} - {row['f']} + {2 * row['p']})/{row['s']} + 1 = {row['value']}"
    ]


@pytest.mark.parametrize("rounding", ["floor", "ceil"])
@pytest.mark.parametrize("row", UNFIT, ids=str)
def test_window_that_does_not_fit_is_rounded_as_asked(
    row: dict[str, Any], rounding: str, tmp_path: Path
) -> None:
    shape = [1, row["n"], row["n"]]
    found = check(tmp_path, shape, {"max_pool": window(row, rounding=rounding)})
    assert found["outputs"] == {"output": [1, row[rounding], row[rounding]]}
    codes = [d["code"] for d in found["diagnostics"]]
    assert codes == (["CS401"] if rounding == "floor" else [])


@pytest.mark.parametrize("size", [7, 8, 32])
@pytest.mark.parametrize("row", SAME, ids=str)
def test_same_padding_of_an_odd_kernel_keeps_the_size(
    row: dict[str, Any], size: int, tmp_path: Path
) -> None:
    for padding in (row["same_padding"], "same"):
        fields = {"filters": 1, "kernel": row["f"], "padding": padding}
        found = check(tmp_path, [1, size, size], {"conv": fields})
        assert found["outputs"] == {"output": [1, size, size]}
        assert found["diagnostics"] == []


@pytest.mark.parametrize("size", range(5, 13))
@pytest.mark.parametrize("row", ASKED, ids=str)
def test_paddings_that_fit_are_those_of_the_formula(
    row: dict[str, Any], size: int, tmp_path: Path
) -> None:
    kernel, stride = row["f"], row["s"]
    for padding in range(kernel):
        fields = window(row | {"p": padding}, rounding="exact", filters=1)
        found = check(tmp_path, [1, size, size], {"conv": fields})
        room = size - kernel + 2 * padding
        assert found["ok"] == (room % stride == 0)
        if found["ok"]:
            out = room // stride + 1
            assert found["outputs"] == {"output": [1, out, out]}
        else:
            # An even stride leaves the same for every padding, so none is offered.
            help = found["diagnostics"][0]["help"]
            assert help.endswith("fit") and "padding" not in help


@pytest.mark.parametrize("padding", [2, 3, 4])
def test_padding_of_a_whole_kernel_is_warned_of(padding: int, tmp_path: Path) -> None:
    fields = {"filters": 1, "kernel": 3, "padding": padding}
    found = check(tmp_path, [1, 7, 7], {"conv": fields})
    codes = [d["code"] for d in found["diagnostics"]]
    assert codes == (["CS402"] if padding >= 3 else [])


@pytest.mark.parametrize("row", [r for r in PARAMS if "filters" in r], ids=str)
def test_convolution_has_the_lectures_shape_and_parameters(
    row: dict[str, Any], tmp_path: Path
) -> None:
    names = ("filters", "kernel", "stride", "padding")
    fields = {name: row[name] for name in names if name in row}
    found = check(tmp_path, row["input"], {"conv": fields})
    assert found["outputs"] == {"output": row["output"]}
    params = row["filters"] * (row["kernel"] ** 2 * row["input"][0] + 1)
    assert found["totals"]["params"] == row.get("total", params)
    assert found["layers"][0]["params"] == row.get("per_filter", 76) * row["filters"]


@pytest.mark.parametrize("row", [r for r in PARAMS if "dense_on" in r], ids=str)
def test_dense_layer_on_a_large_image_has_the_lectures_weights(
    row: dict[str, Any], tmp_path: Path
) -> None:
    for units in (1, 100):
        dense = {"dense": {"units": units, "bias": False}}
        found = check(tmp_path, row["dense_on"], {"flatten": {}}, dense)
        assert found["totals"]["params"] == units * row["per_unit_weights"]
    gigabytes = found["totals"]["params"] * 8 / 1e9
    assert gigabytes == row["hundred_units_float64_gigabytes"]
