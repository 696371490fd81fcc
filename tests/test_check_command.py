"""`cnnspec check` as its users meet it: formats, exit status, colours, options."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnnspec.cli import cli

SPECS = Path(__file__).parents[1] / "specs"
GOOD = "cnnspec: 1\nname: good\ninput: {channels: 1, height: 8, width: 8}\nlayers:\n  - relu\n"
BAD = GOOD.replace("relu", "rule")
WARNS = GOOD.replace("- relu", "- max_pool: {kernel: 3}")


def check(*args: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["check", *args], input=text)


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda p: p.stem)
def test_a_shipped_spec_has_no_warning(path: Path) -> None:
    result = check(str(path), "--strict")
    assert result.exit_code == 0, result.output


def test_exit_status_is_1_for_errors_and_for_warnings_under_strict() -> None:
    assert check("-", text=GOOD).exit_code == 0
    assert check("-", text=BAD).exit_code == 1
    assert check("-", text=WARNS).exit_code == 0
    strict = check("-", "--strict", text=WARNS)
    assert strict.exit_code == 1
    assert "1 warning, taken for errors by --strict\n" in strict.output


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["-", "--format", "xml"],
        ["-", "--unknown"],
        ["-", "--set", "classes"],
        ["-", "--set", "=3"],
        ["-", "--set", "classes=[1, 2]"],
        ["-", "--set", "classes="],
    ],
)
def test_wrong_use_exits_with_2_and_checks_nothing(args: list[str]) -> None:
    result = check(*args, text=GOOD)
    assert result.exit_code == 2
    assert "Error: " in result.output
    assert "good" not in result.output


def test_a_bug_of_ours_exits_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys; from cnnspec import cli, compile\n"
        "def broken(*_): raise KeyError('ours')\n"
        "compile.resolve = broken\n"
        "sys.argv = ['cnnspec', 'check', '-']\n"
        "cli.main()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=GOOD, capture_output=True, text=True
    )
    assert run.returncode == 3
    assert "this is a bug in cnnspec" in run.stderr


def test_the_table_shows_shapes_costs_and_totals() -> None:
    text = check(str(SPECS / "lenet5_modern.yaml")).output
    assert re.search(
        r"^conv2 +conv +16x10x10 +2,416 +240,000 +14/2$", text, re.MULTILINE
    )
    assert "parameters   61,706 (241.0 KiB in float32)" in text
    assert "MACs         416,520 per sample (833,040 FLOPs)" in text


CONTAINERS = """
cnnspec: 1
name: parts
input: {channels: 4, height: 8, width: 8}
layers:
  - head: {name: side, layers: [global_avg_pool, dense: {units: 3}]}
  - residual: {body: [conv: {filters: 4, kernel: 3, padding: 1}], shortcut: [relu]}
    repeat: 2
  - parallel: {branches: [[tanh], [relu]]}
"""


def test_containers_are_folded_and_expand_shows_their_parts() -> None:
    folded = check("-", text=CONTAINERS).output.split("\n\n")[1].split("\n")[1:]
    assert [row.split("  ")[0] for row in folded] == [
        "head side",
        "residual x2",
        "parallel",
    ]
    assert "4x8x8" in folded[1] and "8x8x8" in folded[2]
    output = check("-", "--expand", text=CONTAINERS).output
    labels = [
        re.match(" *[^ ]+( [a-z0-9]+)?", row)
        for row in output.split("\n\n")[1].split("\n")[1:]
    ]
    found = [label[0].rstrip() for label in labels if label]
    assert found == [
        "head side",
        "  global_avg_pool",
        "  dense",
        "residual[0]",
        "  body",
        "    conv[0]",
        "  shortcut",
        "    relu1[0]",
        "residual[1]",
        "  body",
        "    conv[1]",
        "  shortcut",
        "    relu1[1]",
        "parallel",
        "  branch 1",
        "    tanh",
        "  branch 2",
        "    relu2",
    ]


def test_a_narrow_table_says_which_columns_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = check(str(SPECS / "resnet18.yaml")).output
    assert "\n(too narrow for operation, field/step)\n" in text


def test_blocks_are_folded_and_expand_unfolds_them() -> None:
    folded = check(str(SPECS / "resnet18.yaml")).output
    unfolded = check(str(SPECS / "resnet18.yaml"), "--expand").output
    assert "basic_block1 x2 " in folded
    assert "projection" not in folded
    assert "basic_block1[0]" in unfolded
    assert re.search(r"^      projection +conv_bn ", unfolded, re.MULTILINE)
    assert re.search(r"^        conv +conv +128x28x28 ", unfolded, re.MULTILINE)
    totals = folded[folded.index("parameters") :]
    assert unfolded.endswith(totals)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_table_fits_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = check(str(SPECS / "resnet18.yaml"), "--expand").output
    table = text.split("\n\n")[1]
    assert max(map(len, table.splitlines())) <= width


def test_concise_is_a_line_for_each_diagnostic_and_nothing_for_none() -> None:
    result = check("-", "--format", "concise", text=BAD)
    assert result.output.startswith("<stdin>:5:5: error[CS104]: ")
    assert result.output.count("\n") == 1
    assert check("-", "--format", "concise", text=GOOD).output == ""


def test_github_lines_annotate_files() -> None:
    result = check("-", "--format", "github", text=BAD)
    assert result.output.startswith("::error file=<stdin>,line=5,")
    assert result.exit_code == 1


def test_sarif_names_the_rule_and_the_place(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    result = check(str(path), "--format", "sarif")
    document = json.loads(result.output)
    assert document["version"] == "2.1.0"
    (found,) = document["runs"][0]["results"]
    assert found["ruleId"] == "CS104"
    region = found["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"]) == (5, 5)


def test_json_is_the_contract() -> None:
    document = json.loads(check("-", "--format", "json", text=WARNS).output)
    assert document["version"] == 1
    (spec,) = document["specs"]
    assert set(spec) == {
        "file", "name", "ok", "inputs", "outputs", "totals", "layers", "diagnostics",
    }  # fmt: skip
    assert set(spec["totals"]) == {
        "params", "trainable_params", "macs", "depth", "activation_bytes", "layers", "training",
    }  # fmt: skip
    (layer,) = spec["layers"]
    assert layer == {
        "path": "max_pool",
        "op": "max_pool",
        "inputs": [[1, 8, 8]],
        "outputs": [[1, 2, 2]],
        "params": 0,
        "trainable_params": 0,
        "macs": 0,
        "receptive_field": {"size": 3, "stride": 3},
        "line": 5,
        "scope": "",
    }
    (found,) = spec["diagnostics"]
    assert set(found) == {
        "code", "severity", "message", "file", "line", "column", "end_line", "end_column",
        "help", "notes", "related",
    }  # fmt: skip
    assert (found["code"], found["severity"], found["line"]) == ("CS401", "warning", 5)
    assert set(found["related"][0]) == {"message", "file", "line", "column"}


def test_json_has_no_totals_and_unknown_shapes_where_a_layer_is_wrong() -> None:
    text = GOOD.replace("- relu", "- conv: {filters: 2, kernel: 9}\n  - relu")
    (spec,) = json.loads(check("-", "--format", "json", text=text).output)["specs"]
    assert spec["totals"] is None
    assert [layer["outputs"] for layer in spec["layers"]] == [[None], [None]]
    assert spec["outputs"] == {"output": None}


def test_json_is_not_ok_under_strict_with_warnings() -> None:
    for strict, ok in (((), True), (("--strict",), False)):
        result = check("-", "--format", "json", *strict, text=WARNS)
        assert json.loads(result.output)["specs"][0]["ok"] is ok


def test_several_files_are_checked_all(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    files = [str(tmp_path / "bad.yaml"), str(SPECS / "lenet5_modern.yaml")]
    result = check(*files)
    assert result.exit_code == 1
    assert "error[CS104]" in result.output
    assert "parameters   61,706" in result.output
    document = json.loads(check(*files, "--format", "json").output)
    assert [spec["ok"] for spec in document["specs"]] == [False, True]


def test_set_changes_a_variable_and_an_unknown_one_is_cs212() -> None:
    spec = str(SPECS / "lenet5_modern.yaml")
    result = check(spec, "--set", "classes=3", "--format", "json")
    assert json.loads(result.output)["specs"][0]["outputs"] == {"output": [3]}
    wrong = check(spec, "--set", "clases=3")
    assert wrong.exit_code == 1
    assert "CS212" in wrong.output
    assert "did you mean `classes`?" in wrong.output


def test_a_wrong_value_of_set_is_shown_where_it_is_used() -> None:
    result = check(str(SPECS / "lenet5_modern.yaml"), "--set", "classes=few")
    assert result.exit_code == 1
    assert "`units` of `dense` must be an integer of at least 1" in result.output
    assert "evaluates to text `few`" in result.output


@pytest.mark.parametrize(
    ("environment", "colored"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_follow_the_terminal_and_no_color(
    environment: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in check("-", text=BAD).output) is colored
    assert ("\x1b[" in check("-", text=GOOD).output) is colored


def test_a_check_imports_no_framework_and_a_right_one_no_jsonschema() -> None:
    code = (
        "import sys\nfrom cnnspec.compile import check_file\n"
        f"assert not check_file({str(SPECS / 'resnet18.yaml')!r}, {{}}).diagnostics\n"
        "print(*(m for m in ('torch', 'tensorflow', 'keras', 'numpy', 'jsonschema', 'jinja2')"
        " if m in sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    assert run.stdout == "\n"


def test_a_closed_pipe_is_no_bug() -> None:
    command = f"{sys.executable} -m cnnspec check {SPECS}/resnet18.yaml | true; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in run.stderr
