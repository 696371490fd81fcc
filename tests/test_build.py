"""Building: what a program's files are, for every source, loss, optimizer and text."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnspec.compile import check_source
from cnnspec.datasets import SOURCES
from cnnspec.emit.program import program_files
from cnnspec.emit.readme import PACKAGES, VERSIONS
from cnnspec.emit.setting import spec_text
from cnnspec.optimizers import OPTIMIZERS
from cnnspec.source import SourceFile
from cnnspec.training import LOSSES
from tests.programs import (
    ROOT,
    TARGETS,
    contents,
    files_of,
    spec_file,
)

GOLDENS = ROOT / "tests" / "goldens"
SPECS = sorted((ROOT / "specs").glob("*.yaml"))
LENET = spec_file("lenet5_modern").read_text()
NAMES = {
    "README.md",
    "data.py",
    "model.py",
    "predict.py",
    "requirements.txt",
    "spec.yaml",
    "train.py",
}
OF_TRAINING = {"data.py", "predict.py", "train.py"}
# Their outputs are maps, or several.
UNTRAINED = {"edge_filters", "x_or_o_filters"}


@pytest.mark.parametrize("target", TARGETS)
def test_resnet18_is_what_was_written_by_hand(target: str) -> None:
    text = spec_file("resnet18").read_text()
    files = files_of(text, target)
    assert files.pop("spec.yaml") == text
    folder = GOLDENS / "resnet18" / target
    assert files == {name: data.decode() for name, data in contents(folder).items()}


INPUTS = {
    "grey": "{channels: 1, height: 16, width: 12}",
    "small": "{channels: 1, height: 28, width: 28}",
    "photograph": "{channels: 3, height: 32, width: 32}",
    "colour": "{channels: 3, height: 16, width: 12}",
    "signal": "{channels: 2, length: 40}",
    "volume": "{channels: 1, depth: 8, height: 9, width: 7}",
    "vector": "{features: 12}",
}
LONG = (
    "a folder with a name so long that no line of a program holds it, and then it's odd"
)
DATA = {
    "digits": ("{source: digits}", "{source: digits, normalize: {mean: [1], std: 1}}"),
    "mnist": (
        "{source: mnist}",
        "{source: mnist, path: a b, download: false, validation_split: 0.1}",
    ),
    "fashion_mnist": ("{source: fashion_mnist, download: false}",),
    "cifar10": (
        "{source: cifar10, download: true}",
        "{source: cifar10, validation_split: 0.1}",
    ),
    "cifar100": ("{source: cifar100, download: false}",),
    "x_or_o": ("{source: x_or_o}", "{source: x_or_o, samples: 20, unseen: 7}"),
    "csv": (
        "{source: csv, path: table.csv}",
        f'{{source: csv, path: "{LONG}", fit: stretch, classes: ["a", "it\'s b"]}}',
        '{source: csv, path: t.csv, classes: ["0123456789", "1123456789", "2123456789", '
        '"3123456789", "4123456789", "5123456789", "6123456789", "7123456789", a, b]}',
    ),
    "image_folder": (
        "{source: image_folder, path: images}",
        f'{{source: image_folder, path: "{LONG}", fit: stretch, '
        "normalize: {mean: 0.5, std: [0.125, 0.25, 1e-5]}}",
    ),
    "arrays": (
        "{source: arrays, path: a.npz}",
        "{source: arrays, path: a, layout: channels_first, batch_size: 1000000, "
        "normalize: {mean: 3, std: 1e-4}}",
    ),
    "synthetic": ("{source: synthetic, samples: 7, validation_split: 0.15}",),
}
SETTINGS = (
    "sgd",
    "{sgd: {momentum: 0.9, nesterov: true, weight_decay: 0.0005}}",
    "adam",
    "{adam: {beta1: 0, weight_decay: 1e-3}}",
    "{adam: {beta2: 0}}",
    "adamw",
    "{adamw: {weight_decay: 0}}",
    "rmsprop",
    "{rmsprop: {momentum: 0.9, weight_decay: 0.01}}, schedule: cosine, clip_norm: 1",
    "adagrad, schedule: {step: {milestones: [3]}}, warmup: 1, warmup_from: 0.1",
    "{sgd: {momentum: 0.9}}, warmup: 0.5",
    "{sgd: {momentum: 0.9, nesterov: true}}, schedule: exponential, warmup: 2",
    "adamw, schedule: {polynomial: {power: 2, final_rate: 1e-5}}, clip_norm: 0.5",
)
# The longest name, names that the programs use themselves, and an ordinary one.
MODEL_NAMES = ("a" * 64, "epoch", "record", "figure", "tiny")


def combinations() -> dict[str, str]:
    """Specs over inputs, sources and losses; names and optimizers take turns."""
    found = {}
    assert set(DATA) == set(SOURCES)
    for given, shape in INPUTS.items():
        for source, sections in DATA.items():
            if given in ("small", "photograph") and "download" not in str(sections):
                continue  # sizes of their own are of those that are downloaded
            for turn, data in enumerate(sections):
                for loss in LOSSES:
                    for units in (1, 2, 10):
                        number = len(found)
                        norm = "  - batch_norm\n" if number % 3 else ""
                        flatten = "" if given == "vector" else norm + "  - flatten\n"
                        text = (
                            f"cnnspec: 1\nname: {MODEL_NAMES[number % 5]}\n"
                            f"input: {shape}\nlayers:\n{flatten}"
                            f"  - dense: {{units: {units}}}\ndata: {data}\ntrain: "
                            f"{{loss: {loss}, optimizer: {SETTINGS[number % 13]}}}\n"
                        )
                        found[f"{given}-{source}{turn}-{loss}-{units}"] = text
    return found


def test_ruff_finds_nothing_in_any_program(tmp_path: Path) -> None:
    texts = {path.stem: path.read_text() for path in SPECS} | combinations()
    seen = set()
    for name, text in texts.items():
        checked = check_source(SourceFile("spec.yaml", text), {})
        if checked.has_errors:
            codes = {d.code for d in checked.diagnostics}
            assert codes <= {"CS511", "CS512", "CS513", "CS515"}, (name, codes)
            continue
        for target in TARGETS:
            files = program_files(checked, target, {})
            trains = name not in UNTRAINED
            assert set(files) == (NAMES if trains else NAMES - OF_TRAINING), name
            place = tmp_path / f"{name}-{target}"
            place.mkdir()
            for file, content in files.items():
                (place / file).write_text(content)
                lines = content.splitlines() if file.endswith(".py") else []
                wide = [line for line in lines if len(line) > 88 and LONG not in line]
                assert not wide, (name, target, file)
            # Its imports of its own files are sorted as such only in a folder of its own.
            (place / "pyproject.toml").write_text("[tool.ruff]\nsrc = ['.']\n")
            seen.update(word for word in (*DATA, *LOSSES) if word in name)
    assert seen == {*DATA, *LOSSES}
    for arguments in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:]
    one = tmp_path / f"lenet5_modern-{TARGETS[0]}"
    for arguments in (["check"], ["format", "--check"]):
        command_line = [sys.executable, "-m", "ruff", *arguments, "--isolated", "."]
        subprocess.run(command_line, cwd=one, check=True, capture_output=True)


def test_every_optimizer_is_among_the_programs() -> None:
    assert all(any(name in text for text in SETTINGS) for name in OPTIMIZERS)


def test_required_versions_are_those_of_the_package() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    limits = {
        requirement
        for extra in ("program", *PACKAGES)
        for requirement in extras[extra]
        if not requirement.startswith("cnnspec")
    }
    assert limits == {f"{name}>={version}" for name, version in VERSIONS.items()}


HOSTILE = (
    'quotes " and \' and """ and \\',
    "new\nlines\r\nand\rreturns",
    "{braces} {{ jinja }} {% raw %} {# no #} %s",
    "`ticks` $(rm -rf ~); echo <script>",
    "# coding: latin-1",
    '"""; import os; os.system("true") #',
    "```\n# a heading",
)


def shape_of(source: str) -> list[Any]:
    """Node kinds and called names: what a program does, whatever its texts are."""
    return [
        (
            type(node).__name__,
            ast.unparse(node.func) if isinstance(node, ast.Call) else "",
        )
        for node in ast.walk(ast.parse(source))
    ]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("words", HOSTILE)
def test_texts_of_a_spec_change_nothing_that_a_program_does(
    words: str, target: str
) -> None:
    def text(words: str) -> str:
        quoted = json.dumps(words)
        return (
            f"cnnspec: 1\nname: tiny\ndescription: {quoted}\n"
            "input: {channels: 3, height: 8, width: 8}\nlayers:\n  - flatten\n"
            f"  - dense: {{units: 4}}\ndata: {{source: image_folder, path: {quoted}}}\n"
        )

    checked = check_source(SourceFile("spec.yaml", text(words)), {})
    if checked.has_errors:  # invisible characters are refused when the spec is read
        assert {d.code for d in checked.diagnostics} == {"CS005"}
        return
    files = program_files(checked, target, {})
    clean = files_of(text("images"), target)
    for name in ("model.py", "data.py", "train.py", "predict.py"):
        assert shape_of(files[name]) == shape_of(clean[name])
        header = files[name].splitlines()[0]
        assert header.startswith("# Generated by cnnspec from spec.yaml.")
    (path,) = (
        node.value
        for node in ast.parse(files["data.py"]).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PATH"
    )
    assert ast.literal_eval(path) == words
    fences = [line for line in files["README.md"].splitlines() if "```" in line]
    assert len(fences) == 8


@pytest.mark.parametrize("target", TARGETS)
def test_builds_are_equal_to_the_byte_wherever_they_run(
    target: str, tmp_path: Path
) -> None:
    found = []
    for number, locale in enumerate(("C", "C.UTF-8", "tr_TR.UTF-8")):
        place = tmp_path / str(number)
        place.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": str(number), "LC_ALL": locale}
        environment["PYTHONUTF8"] = "0"
        subprocess.run(
            [
                sys.executable,
                "-c",
                "from cnnspec.cli import main; main()",
                "build",
                str(spec_file("resnet18")),
                "--target",
                target,
                "-o",
                "made",
            ],
            cwd=place,
            env=environment,
            check=True,
            capture_output=True,
        )
        found.append(contents(place / "made"))
    assert found[0] == found[1] == found[2]


def test_a_build_imports_no_framework() -> None:
    code = (
        "import sys\nfrom cnnspec.compile import check_file\n"
        "from cnnspec.emit.program import program_files\n"
        f"checked = check_file({str(spec_file('resnet18'))!r}, {{}})\n"
        "for target in ('pytorch', 'keras'):\n    program_files(checked, target, {})\n"
        "print({'torch', 'tensorflow', 'keras', 'numpy'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    "section",
    [
        "vars: {classes: 10, size: 8}",
        "vars:\n  classes: 10  # of them\n  size: 8",
        'vars: {other: &n 8, "classes" : 10, size: *n}',
        "vars:\n  other: &n 8\n  classes: *n\n  size: *n",
        "vars:\n  classes: >-\n    10\n  size: 8",
        "vars:\n  size: 8\n  classes: 'ten'",
    ],
)
def test_settings_stand_in_the_spec_of_the_program(section: str) -> None:
    text = f"""\
cnnspec: 1
name: example
{section}
input: {{channels: 1, height: 16, width: 16}}
layers:
  - flatten
  - dense: {{units: 10}}
"""
    changed = {"classes": 4, "size": 9}
    checked = check_source(SourceFile("spec.yaml", text), changed)
    assert checked.spec is not None
    written = spec_text(text, checked.spec, changed)
    again = check_source(SourceFile("spec.yaml", written), {})
    assert again.spec is not None
    assert again.spec.variables == checked.spec.variables
    assert written.count("\n") >= text.count("\n") - 1
    assert spec_text(text, checked.spec, {}) == text


def test_an_anchor_keeps_its_value_and_a_comment_says_what_was_set() -> None:
    text = LENET.replace(
        "vars: {classes: 10, size: 32}", "vars: {classes: &n 10, size: 32}"
    )
    text += "x-other: *n\n"
    checked = check_source(SourceFile("spec.yaml", text), {"size": 28, "classes": 10})
    assert checked.spec is not None
    written = spec_text(text, checked.spec, {"size": 28, "classes": 10})
    assert written == f"# built with --set size=28 --set classes=10\n{text}"
