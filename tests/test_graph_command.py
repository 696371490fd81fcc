"""`cnnspec graph`: the pictures hold the network, are well-formed, and the same each time."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks.flat import flat_spec
from cnnspec.cli import cli
from cnnspec.compile import check_source
from cnnspec.drawing.draw import draw
from cnnspec.source import SourceFile
from tests.parity.structures import Refused, draw_structure
from tests.test_speed_shape import blocks, branches, calls, named, repeated, residuals

ROOT = Path(__file__).parents[1]
GOLDENS = Path(__file__).parent / "goldens" / "graph"
SPECS = sorted((ROOT / "specs").glob("*.yaml"))
FORMATS = ("svg", "mermaid", "dot")
SVG = "{http://www.w3.org/2000/svg}"
HEADER = "cnnspec: 1\nname: net\ninput: {channels: 4, height: 16, width: 16}\n"

RESIDUAL = """\
layers:
  - residual:
      body:
        - conv: {filters: 4, kernel: 3, padding: 1}
        - relu
"""
INCEPTION = """\
layers:
  - parallel:
      branches:
        - - conv: {filters: 8, kernel: 1}
        - - conv: {filters: 2, kernel: 1}
          - conv: {filters: 16, kernel: 3, padding: 1}
        - - max_pool: {kernel: 3, stride: 1, padding: 1}
"""
HEADS = """\
layers:
  - conv: {filters: 8, kernel: 3}
  - head:
      name: side
      loss_weight: 0.3
      serve: false
      layers:
        - global_avg_pool
  - conv: {filters: 6, kernel: 3}
"""
SIAMESE = """\
cnnspec: 1
name: siamese
inputs:
  left: {channels: 1, height: 16, width: 16}
  right: {channels: 1, height: 16, width: 16}
layers:
  - conv: {filters: 8, kernel: 3}
    from: left
    name: first
  - reuse: first
    from: right
  - subtract: {with: [first]}
"""


def graph(*args: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["graph", *args], input=text)


def picture(text: str, form: str = "svg", *args: str) -> str:
    done = graph("-", "--format", form, *args, text=text)
    assert done.exit_code == 0, done.output
    return done.stdout


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def frames(svg: str, kind: str) -> list[ET.Element]:
    found = ET.fromstring(svg).iter()
    return [
        element for element in found if element.get("class", "").split()[:1] == [kind]
    ]


def spots(mermaid: str) -> dict[str, str]:
    """What stands in Mermaid's boxes, by name."""
    found = re.findall(r'^ +(n\d+)\(?\["(.*)"\]\)?:::', mermaid, re.M)
    return dict(found)


def arrows(mermaid: str) -> set[tuple[str, str, str, str]]:
    """From, line, shape, to: by what stands in the boxes."""
    label = spots(mermaid)
    found = re.findall(r'^  (n\d+) (\S+?)\|"(.*)"\| (n\d+)$', mermaid, re.M)
    return {(label[a], line, text, label[b]) for a, line, text, b in found}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_operation_of_a_shipped_spec_is_drawn(path: Path) -> None:
    checked = check_source(SourceFile(path.name, path.read_text()), {})
    assert checked.graph is not None
    operations = {node.layer.op for node in checked.graph.layers if node.layer}
    operations -= {"add", "multiply"}  # circles in the SVG
    for form in FORMATS:
        done = graph(str(path), "--format", form, "--expand")
        assert done.exit_code == 0, done.output
        missing = {op for op in operations if op not in done.stdout}
        assert not missing
    svg = graph(str(path), "--expand").stdout
    shapes = {str(node.outputs[0]) for node in checked.graph.layers}
    assert shapes <= {word for text in texts(svg) for word in text.split()}


def test_boxes_say_the_operation_and_its_main_fields() -> None:
    layers = """\
layers:
  - conv: {filters: 64, kernel: 3, stride: 2, padding: 1, activation: relu}
  - conv: {filters: 64, kernel: [1, 3], groups: 8, dilation: 2, padding: 2}
  - max_pool: {kernel: 2}
  - dropout: {rate: 0.5}
  - flatten
  - dense: {units: 10}
    name: scores
"""
    found = texts(picture(HEADER + layers))
    for line in (
        "conv 3x3/2, 64",
        "relu",
        "conv 1x3, 64, dilation 2, groups 8",
        "max_pool 2x2/2",
        "dropout 0.5",
        "scores: dense 10",
        "input  4x16x16",
        "output  10",
        "64x8x8",
    ):
        assert line in found


def test_a_residual_is_an_arc_around_its_body_into_a_sum() -> None:
    svg = picture(HEADER + RESIDUAL)
    arcs = [e for e in frames(svg, "line") if e.get("class") == "line shortcut"]
    assert len(arcs) == 1
    assert len(ET.fromstring(svg).findall(f".//{SVG}circle[@class='merge']")) == 1
    mermaid = picture(HEADER + RESIDUAL, "mermaid")
    assert ("input 4x16x16", "==>", "4x16x16", "add") in arrows(mermaid)
    assert ("conv 3x3, 4<br/>relu", "-->", "4x16x16", "add") in arrows(mermaid)
    dot = picture(HEADER + RESIDUAL, "dot")
    assert 'n1 -> n3 [label="4x16x16", color="#dc2626", penwidth=2];' in dot


def test_branches_stand_side_by_side_above_a_bar() -> None:
    svg = picture(HEADER + INCEPTION)
    kernels = frames(svg, "kernel")
    tops = [float(each.get("y", "")) for each in kernels]
    lefts = [float(each.get("x", "")) for each in kernels]
    assert tops[0] == tops[1] < tops[2]
    assert lefts[0] < lefts[1]
    (bar,) = frames(svg, "merge")
    assert float(bar.get("y", "")) > tops[2]
    found = arrows(picture(HEADER + INCEPTION, "mermaid"))
    into = {text for _, _, text, target in found if target == "concat"}
    assert into == {"8x16x16", "16x16x16", "4x16x16"}


def test_a_head_leaves_the_flow_going_and_is_dashed_where_it_does_not_serve() -> None:
    svg = picture(HEADER + HEADS)
    (head,) = frames(svg, "head")
    assert "dashed" in head.get("class", "")
    assert "output side (training only)  8" in texts(svg)
    found = arrows(picture(HEADER + HEADS, "mermaid"))
    assert ("conv 3x3, 8", "-.->", "8x14x14", "global_avg_pool") in found
    assert ("conv 3x3, 8", "-->", "8x14x14", "conv 3x3, 6") in found
    served = picture(HEADER + HEADS.replace("false", "true"))
    assert "dashed" not in frames(served, "head")[0].get("class", "")


def test_what_reuses_weights_is_dashed_and_joined_to_their_owner() -> None:
    svg = picture(SIAMESE)
    assert [e.get("class") for e in frames(svg, "kernel")] == [
        "kernel",
        "kernel dashed",
    ]
    lines = [e.get("class") for e in frames(svg, "line")]
    assert lines.count("line weights") == 1
    assert lines.count("line side") == 1
    assert {"input left  1x16x16", "input right  1x16x16"} <= set(texts(svg))


def test_equal_blocks_in_a_row_are_one_box_with_a_count() -> None:
    block = "blocks: {b: {args: {w: 4}, layers: [{conv: {filters: $w, kernel: 1}}, flatten]}}\n"
    block = block.replace(", flatten", ", {conv: {filters: 4, kernel: 1}}")
    uses = "layers:\n  - b\n  - b\n  - b: {}\n    repeat: 4\n  - b: {w: 5}\n"
    found = texts(picture(HEADER + block + uses))
    assert "b \N{MULTIPLICATION SIGN}6" in found
    assert "w 5" in found  # closed: its inside has been drawn
    assert found.count("conv 1x1, 4") == 2
    opened = texts(picture(HEADER + block + uses, "svg", "--expand"))
    assert "conv 1x1, 5" in opened
    closed = texts(picture(HEADER + block + uses, "svg", "--depth", "0"))
    assert not [text for text in closed if "conv" in text]


def test_what_is_read_by_name_is_not_counted_away() -> None:
    layers = "layers:\n  - relu:\n    name: one\n  - relu:\n    name: two\n"
    layers += "  - add: {with: [one]}\n"
    found = arrows(picture(HEADER + layers, "mermaid"))
    assert ("one: relu", "-->", "4x16x16", "add") in found
    assert ("two: relu", "-->", "4x16x16", "add") in found


HOSTILE = '"<script>alert(\'x\')</script> & ]]> #quot; `a` \\\\ \\" --> \\n end"'


GATED = """\
blocks:
  b:
    args: {t: ~}
    layers:
      - relu: {}
        when: $(t != "x")
      - conv: {filters: 4, kernel: 1}
"""


@pytest.mark.parametrize("form", FORMATS)
def test_text_from_a_spec_stays_text(form: str) -> None:
    uses = f"layers:\n  - b: {{t: a}}\n  - b: {{t: {HOSTILE}}}\n"
    said = picture(f"{HEADER}description: {HOSTILE}\n{GATED}{uses}", form)
    if form == "svg":
        assert not list(ET.fromstring(said).iter(f"{SVG}script"))
        shown = [text for text in texts(said) if "<script>alert('x')" in text]
        assert len(shown) == 2
    elif form == "dot":
        assert_dot(said)
        assert said.count("<script>alert") == 2
    else:
        assert "b<br/>t #60;script#62;alert('x')#60;…" in spots(said).values()


def assert_dot(dot: str) -> None:
    """Braces close, and every line ends as DOT's lines do, strings set aside."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "text", dot)
    assert '"' not in bare
    assert bare.count("{") == bare.count("}")
    for line in bare.splitlines():
        assert line.endswith((";", "{", "}"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_mermaid_and_dot_name_every_end_of_an_arrow(path: Path) -> None:
    mermaid = graph(str(path), "--format", "mermaid").stdout
    assert mermaid.startswith("---\ntitle: ")
    known = set(spots(mermaid))
    ends = re.findall(r"^  (n\d+) \S.* (n\d+)$", mermaid, re.M)
    assert ends
    assert {end for pair in ends for end in pair} <= known
    dot = graph(str(path), "--format", "dot").stdout
    assert_dot(dot)
    assert len(re.findall(r"^  n\d+ -> n\d+", dot, re.M)) == len(ends)


def test_drawn_structures_have_well_formed_pictures() -> None:
    source, drawn = random.Random("pictures"), 0
    while drawn < 60:
        try:
            text, checked = draw_structure(source)
        except Refused:
            continue
        drawn += 1
        assert checked.spec is not None and checked.graph is not None
        for form in FORMATS:
            said = draw(checked.spec, checked.graph, form, drawn % 2 == 0)
            assert said == draw(checked.spec, checked.graph, form, drawn % 2 == 0), text
            if form == "svg":
                assert "nan" not in said
                ET.fromstring(said)


@pytest.mark.parametrize(
    "spec", [flat_spec, named, repeated, blocks, branches, residuals]
)
def test_work_of_a_picture_grows_no_faster_than_the_spec(
    spec: Callable[[int], str],
) -> None:
    def work(count: int) -> int:
        checked = check_source(SourceFile("spec.yaml", spec(count)), {})
        assert checked.spec is not None and checked.graph is not None
        found, network = checked.spec, checked.graph
        return calls(lambda: [draw(found, network, form) for form in FORMATS])

    work(10)  # what is imported once is not counted
    assert work(1_000) / work(500) <= 2.1


def test_a_spec_with_errors_has_no_picture(tmp_path: Path) -> None:
    out = tmp_path / "net.svg"
    done = graph("-", "-o", str(out), text=HEADER + "layers:\n  - rule\n")
    assert done.exit_code == 1
    assert "error[CS" in done.stderr
    assert not out.exists() and not done.stdout


def test_a_picture_is_written_to_a_file(tmp_path: Path) -> None:
    out = tmp_path / "net.svg"
    done = graph(
        "-",
        "-o",
        str(out),
        "--set",
        "n=7",
        text=(HEADER + "vars: {n: 3}\nlayers:\n  - conv: {filters: $n, kernel: 1}\n"),
    )
    assert done.stdout == f"wrote {out}\n"
    assert "conv 1x1, 7" in texts(out.read_text())
    nowhere = graph("-", "-o", str(tmp_path / "no" / "net.svg"), text=HEADER + RESIDUAL)
    assert nowhere.exit_code == 2
    assert nowhere.stderr.startswith("error: ")


@pytest.mark.parametrize("form", ["mermaid", "dot"])
def test_the_picture_of_resnet18_is_as_it_was_looked_at(form: str) -> None:
    """A golden: a change of it wants a look at the picture."""
    done = graph(str(ROOT / "specs" / "resnet18.yaml"), "--format", form)
    assert done.stdout == (GOLDENS / f"resnet18.{form}").read_text()


def test_the_pictures_of_the_page_are_as_they_are_drawn() -> None:
    """Goldens, too: look at them before they are replaced."""
    page = (ROOT / "docs" / "pictures.md").read_text()
    (spec,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S)
    pictures = ROOT / "docs" / "pictures"
    assert picture(spec) == (pictures / "small_inception.svg").read_text()
    done = graph(str(ROOT / "specs" / "resnet18.yaml"))
    assert done.stdout == (pictures / "resnet18.svg").read_text()


def test_a_picture_never_replaces_its_spec(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text(HEADER + RESIDUAL)
    result = CliRunner().invoke(cli, ["graph", str(spec), "-o", str(spec)])
    assert result.exit_code == 2
    assert "the spec itself" in result.output
    assert spec.read_text() == HEADER + RESIDUAL


def test_a_spec_may_be_called_as_a_word_of_dot() -> None:
    checked = check_source(
        SourceFile("x", HEADER.replace("name: net", "name: strict") + RESIDUAL), {}
    )
    assert checked.spec is not None and checked.graph is not None
    assert draw(checked.spec, checked.graph, "dot").startswith('digraph "strict" {')
