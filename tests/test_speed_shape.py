"""What makes `check` fast, without a clock: what it imports, and how its work grows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from benchmarks.flat import HEADER, flat_spec
from cnnspec.compile import Checked, check_source
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.report import spec_json, table
from cnnspec.source import SourceFile

SPECS = Path(__file__).parent.parent / "specs"
FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras", "numpy", "PIL"}
# Each costs more than reading a spec; a spec without mistakes needs none of them.
HEAVY = {
    *("jsonschema", "referencing", "jinja2", "decimal", "dataclasses"),
    *(
        "importlib.metadata",
        "json",
        "shutil",
        "subprocess",
        "difflib",
        "pathlib",
        "tempfile",
        "socket",
    ),
}
# What explains mistakes, writes programs and reads code pages.
LATER = {
    f"cnnspec.{name}"
    for name in (
        *("algebra", "codes", "emit", "language_schema", "remedies", "render", "sarif"),
        *("schema", "unparse", "violations", "wording", "yamlfaults", "yamlsyntax"),
    )
}

RUN = """
import sys
from cnnspec.cli import main
before = sys.stdout
sys.stdout = open(sys.argv.pop(), "w")
try:
    main()
finally:
    sys.stdout = before
    print(*sys.modules)
"""


def modules_of(tmp_path: Path, *arguments: str) -> tuple[int, set[str]]:
    """The exit status and the modules at the end of a `cnnspec` of its own."""
    command = (sys.executable, "-c", RUN, *arguments, str(tmp_path / "out"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, set(done.stdout.split())


@pytest.mark.parametrize("spec", sorted(path.name for path in SPECS.glob("*.yaml")))
def test_check_of_a_valid_spec_imports_what_it_needs(spec: str, tmp_path: Path) -> None:
    status, loaded = modules_of(tmp_path, "check", str(SPECS / spec))
    assert status == 0
    assert "parameters" in (tmp_path / "out").read_text()
    assert not {name.partition(".")[0] for name in loaded} & FRAMEWORKS
    assert not loaded & HEAVY
    allowed = "cnnspec: allow" in (SPECS / spec).read_text()
    if not allowed:  # a warning has its remedy tried before it is silenced
        assert not loaded & LATER


def test_check_of_a_faulty_spec_imports_no_framework(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(flat_spec(4).replace("filters", "filter"))
    status, loaded = modules_of(tmp_path, "check", "--format", "json", str(spec))
    assert status == 1
    assert "cnnspec.schema" in loaded  # a mistake is explained by the schema
    assert not {name.partition(".")[0] for name in loaded} & FRAMEWORKS


def named(count: int) -> str:
    lines = ["  - relu: {}\n    name: n0\n"]
    for number in range(1, count):
        lines.append(f"  - relu: {{}}\n    name: n{number}\n    from: n{number - 1}\n")
    return HEADER + "".join(lines)


def repeated(count: int) -> str:
    return HEADER + f"  - conv: {{filters: 16, kernel: 1}}\n    repeat: {count}\n"


def blocks(count: int) -> str:
    block = "blocks:\n  b:\n    args: {width: ~}\n    layers:\n"
    block += "      - conv: {filters: $width, kernel: 1}\n      - relu\nlayers:\n"
    uses = "".join(f"  - b: {{width: {8 + n % 7}}}\n" for n in range(count // 2))
    return HEADER.replace("layers:\n", block) + uses


def branches(count: int) -> str:
    lines = "".join("        - [relu]\n" for _ in range(count))
    return HEADER + f"  - parallel:\n      merge: add\n      branches:\n{lines}"


def residuals(count: int) -> str:
    one = "  - residual:\n      body:\n        - conv: {filters: 16, kernel: 1}\n"
    return HEADER + one * (count // 2)


def calls(work: Callable[[], Any]) -> int:
    """How many functions, Python's and C's, are called by some work."""
    count = 0

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def check(text: str) -> Checked:
    checked = check_source(SourceFile("spec.yaml", text), {})
    assert not checked.has_errors, checked.diagnostics
    table(checked, True, 100, False)
    json.dumps(spec_json(checked))
    return checked


@pytest.mark.parametrize(
    "spec", [flat_spec, named, repeated, blocks, branches, residuals]
)
def test_work_grows_no_faster_than_the_spec(spec: Callable[[int], str]) -> None:
    check(spec(10))  # what is imported and remembered once is not counted
    few, many = (calls(lambda n=n: check(spec(n))) for n in (1_000, 2_000))
    assert few > 10_000
    assert many / few <= 2.1


def frozen_blocks(count: int) -> str:
    block = "blocks: {b: {layers: [{conv: {filters: 4, kernel: 1}}, batch_norm]}}\nlayers:\n"
    use = "  - b: {}\n    trainable: false\n"
    return HEADER.replace("layers:\n", block) + use * count


def split_channels(count: int) -> str:
    lines = "        - [relu]\n" * count
    return HEADER + (
        f"  - conv: {{filters: {count}, kernel: 1}}\n"
        f"  - parallel:\n      split: true\n      branches:\n{lines}"
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("spec", [flat_spec, frozen_blocks, split_channels])
def test_work_of_a_build_grows_no_faster_than_the_spec(
    spec: Callable[[int], str], target: str
) -> None:
    def work(count: int) -> int:
        checked = check_source(SourceFile("spec.yaml", spec(count)), {})
        assert not checked.has_errors, checked.diagnostics
        return calls(lambda: model_text(checked, target, None))

    work(10)  # what is imported and remembered once is not counted
    few, many = work(1_000), work(2_000)
    assert few > 10_000
    assert many / few <= 2.2
