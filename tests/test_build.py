"""Building: what a program's files are, and how they get into a folder."""

from __future__ import annotations

import ast
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnspec.compile import check_source
from cnnspec.datasets import SOURCES
from cnnspec.emit import writer
from cnnspec.emit.program import program_files
from cnnspec.emit.readme import PACKAGES, VERSIONS
from cnnspec.emit.setting import spec_text
from cnnspec.optimizers import OPTIMIZERS
from cnnspec.source import SourceFile
from cnnspec.training import LOSSES
from tests.programs import ROOT, TARGETS, build, command, spec_file

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


def files_of(text: str, target: str, **overrides: Any) -> dict[str, str]:
    checked = check_source(SourceFile("spec.yaml", text), overrides)
    assert not checked.has_errors, checked.diagnostics
    return program_files(checked, target, overrides)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# What the files are


@pytest.mark.parametrize("target", TARGETS)
def test_resnet18_is_what_was_written_by_hand(target: str) -> None:
    text = spec_file("resnet18").read_text()
    files = files_of(text, target)
    assert files.pop("spec.yaml") == text
    folder = GOLDENS / "resnet18" / target
    assert files == {name: data.decode() for name, data in contents(folder).items()}


INPUTS = {
    "grey": "{channels: 1, height: 16, width: 12}",
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
)
# The longest name, names that the programs use themselves, and an ordinary one.
MODEL_NAMES = ("a" * 64, "epoch", "record", "figure", "tiny")


def combinations() -> dict[str, str]:
    """Specs over inputs, sources and losses; names and optimizers take turns."""
    found = {}
    assert set(DATA) == set(SOURCES)
    for given, shape in INPUTS.items():
        for source, sections in DATA.items():
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
                            f"{{loss: {loss}, optimizer: {SETTINGS[number % 7]}}}\n"
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
            assert set(files) == NAMES
            place = tmp_path / f"{name}-{target}"
            place.mkdir()
            for file, content in files.items():
                (place / file).write_text(content)
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


UNTRAINABLE = {
    "it has 2 outputs": "input: {features: 4}\nlayers:\n  - head: {name: other, layers: "
    "[{dense: {units: 2}}]}\n  - dense: {units: 3}\n",
    "its output is an image of 4x6x6": "input: {channels: 1, height: 8, width: 8}\n"
    "layers:\n  - conv: {filters: 4, kernel: 3}\n",
    "it has 2 inputs": "inputs: {left: {features: 4}, right: {features: 4}}\nlayers:\n"
    "  - dense: {units: 3}\n    from: left\n    name: first\n  - dense: {units: 3}\n"
    "    from: right\n  - add: {with: [first]}\n",
    "it has no weights to learn": "input: {features: 4}\nlayers:\n  - relu\n",
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("reason", UNTRAINABLE)
def test_what_cannot_be_trained_yet_is_built_without_training(
    reason: str, target: str, tmp_path: Path
) -> None:
    text = "cnnspec: 1\nname: example\n" + UNTRAINABLE[reason]
    program = build(text, target, tmp_path / "program")
    names = {"README.md", "model.py", "requirements.txt", "spec.yaml"}
    assert set(contents(program)) == names | {writer.RECORD}
    assert f"because {reason}" in " ".join((program / "README.md").read_text().split())
    status, output = command(
        "train", "-", "--target", target, "-o", tmp_path / "other", input=text
    )
    assert status == 1
    assert f"error[CS520]: this network can't be trained yet: {reason}" in output
    assert not (tmp_path / "other").exists()


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


# How they get into a folder


def test_building_again_changes_nothing_and_check_says_so(tmp_path: Path) -> None:
    program = build(LENET, "pytorch", tmp_path / "deep" / "program")
    before = {path: path.stat().st_mtime_ns for path in program.iterdir()}
    status, output = command(
        "build", "-", "--target", "pytorch", "-o", program, input=LENET
    )
    assert (status, output) == (0, f"{program}: nothing to change\n")
    assert before == {path: path.stat().st_mtime_ns for path in program.iterdir()}
    for option in ("--check", "--diff"):
        arguments = ("build", "-", "--target", "pytorch", "-o", program, option)
        assert command(*arguments, input=LENET)[0] == 0
        status, output = command(*arguments, input=LENET.replace("84", "85"))
        assert status == 1
        assert "differs: README.md, model.py, spec.yaml" in output
        assert ("-        self.dense2 = nn.Linear(120, 84)\n" in output) == (
            option == "--diff"
        )
    assert before == {path: path.stat().st_mtime_ns for path in program.iterdir()}


def test_check_of_a_folder_that_is_not_there_makes_none(tmp_path: Path) -> None:
    arguments = ("build", "-", "--target", "keras", "-o", tmp_path / "no", "--check")
    assert command(*arguments, input=LENET)[0] == 1
    assert list(tmp_path.iterdir()) == []


def test_what_else_is_in_the_folder_stays(tmp_path: Path) -> None:
    program = build(LENET, "pytorch", tmp_path / "program")
    (program / "run").mkdir()
    (program / "run" / "best.safetensors").write_bytes(b"weights")
    (program / "notes.txt").write_text("mine")
    arguments = ("build", "-", "--target", "pytorch", "-o", program)
    status, output = command(*arguments, input=LENET.replace("84", "85"))
    assert (status, output) == (0, f"{program}: wrote README.md, model.py, spec.yaml\n")
    assert (program / "run" / "best.safetensors").read_bytes() == b"weights"
    assert (program / "notes.txt").read_text() == "mine"
    assert "85" in (program / "model.py").read_text()
    assert set(contents(program)) == NAMES | {
        writer.RECORD,
        "run/best.safetensors",
        "notes.txt",
    }


@pytest.mark.parametrize("name", ["model.py", "spec.yaml", writer.RECORD])
def test_an_edited_file_is_shown_and_overwritten_only_by_force(
    name: str, tmp_path: Path
) -> None:
    program = build(LENET, "pytorch", tmp_path / "program")
    with open(program / name, "a") as file:
        file.write("# mine\n")
    before = contents(program)
    changed = LENET.replace("84", "85")
    arguments = ("build", "-", "--target", "pytorch", "-o", program)
    status, output = command(*arguments, input=changed)
    assert status == 1
    assert contents(program) == before
    assert "cnnspec did not write what is there" in output
    if name != writer.RECORD:
        assert "-# mine\n" in output
        # Where the spec would not change the file, the edit still is not lost.
        assert command(*arguments, input=LENET)[0] == 1
        assert contents(program) == before
    assert command(*arguments, "--force", input=changed)[0] == 0
    assert command(*arguments, "--check", input=changed)[0] == 0


def test_a_file_that_a_program_has_no_more_goes(tmp_path: Path) -> None:
    program = build(LENET, "pytorch", tmp_path / "program")
    text = "cnnspec: 1\nname: example\n" + UNTRAINABLE["it has 2 outputs"]
    build(text, "pytorch", program)
    assert not (program / "train.py").exists()
    assert (program / "model.py").exists()


def test_foreign_files_of_the_same_names_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("print('mine')\n")
    status, output = command(
        "build", "-", "--target", "keras", "-o", tmp_path, input=LENET
    )
    assert status == 1
    assert "-print('mine')" in output
    assert set(contents(tmp_path)) == {"model.py"}


def test_links_files_and_a_literal_tilde_are_no_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    expected = {
        "link": "link is a symbolic link",
        "dangling": "dangling is a symbolic link",
        "file": "file is not a folder",
        "file/inside": "file is not a folder",
        "~/program": "was not expanded by the shell",
        "a" * 300: "file name too long",
    }
    for name, words in expected.items():
        for option in ((), ("--force",), ("--check",)):
            status, output = command(
                "build", "-", "--target", "keras", "-o", name, *option, input=LENET
            )
            assert (status, words in output) == (2, True), (name, output)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("real", "link", "file", "dangling")
    }
    assert list((tmp_path / "real").iterdir()) == []


def test_a_linked_file_in_the_folder_is_replaced_not_written_through(
    tmp_path: Path,
) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("mine")
    program = build(LENET, "keras", tmp_path / "program")
    (program / "model.py").unlink()
    (program / "model.py").symlink_to(outside)
    arguments = ("build", "-", "--target", "keras", "-o", program)
    assert command(*arguments, input=LENET)[0] == 1
    assert command(*arguments, "--force", input=LENET)[0] == 0
    assert outside.read_text() == "mine"
    assert not (program / "model.py").is_symlink()


def test_a_record_cannot_lead_outside_of_the_folder(tmp_path: Path) -> None:
    program = build(LENET, "keras", tmp_path / "program")
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    record = json.loads((program / writer.RECORD).read_text())
    digest = writer._digest(b"mine")
    record["files"] |= {"../outside.txt": [digest], str(outside): [digest]}
    (program / writer.RECORD).write_text(json.dumps(record))
    build(LENET.replace("84", "85"), "keras", program)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("fails_at", range(1, 16))
def test_a_failure_at_any_file_leaves_the_old_program(
    fails_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each call that changes names, the nth fails."""
    program = build(LENET, "pytorch", tmp_path / "program")
    before = contents(program)
    changed = files_of(LENET.replace("84", "85"), "keras")
    calls = 0
    for name in ("replace", "link", "fsync"):
        original = getattr(os, name)

        def failing(*args: Any, original: Any = original, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == fails_at:
                raise OSError(28, "No space left on device")
            return original(*args, **options)

        monkeypatch.setattr(os, name, failing)
    try:
        writer.write_program(program, changed)
    except writer.Unwritable as error:
        assert "no space left on device" in str(error)
        assert contents(program) == before
    else:  # without links, files are copied
        assert (program / "model.py").read_text() == changed["model.py"]


def limited_write(folder: str, files: dict[str, str]) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
    try:
        writer.write_program(Path(folder), files)
    except writer.Unwritable:
        os._exit(7)
    os._exit(0)


@pytest.mark.parametrize("exists", [False, True])
def test_a_disk_that_fills_leaves_the_old_tree(exists: bool, tmp_path: Path) -> None:
    """The kernel itself refuses to write more than 6,000 bytes into a file."""
    program = tmp_path / "program"
    if exists:
        build(LENET, "pytorch", program)
    before = contents(tmp_path)
    files = files_of(LENET, "keras")
    context = multiprocessing.get_context("fork")
    process = context.Process(target=limited_write, args=(str(program), files))
    process.start()
    process.join()
    assert process.exitcode == 7
    assert contents(tmp_path) == before
    assert program.exists() == exists


def killed_write(folder: str, files: dict[str, str], at: int) -> None:
    """Dies at the nth system call that counts."""
    calls = 0
    for name in ("replace", "link", "fsync", "rename"):
        original = getattr(os, name)

        def dying(*args: Any, original: Any = original, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **options)

        setattr(os, name, dying)
    writer.write_program(Path(folder), files)
    os._exit(0)


@pytest.mark.parametrize("at", range(1, 40, 3))
def test_a_killed_build_is_made_good_by_the_next(at: int, tmp_path: Path) -> None:
    program = build(LENET, "pytorch", tmp_path / "program")
    (program / "mine.txt").write_text("mine")
    old = contents(program)
    files = files_of(LENET.replace("84", "85"), "keras")
    process = multiprocessing.get_context("fork").Process(
        target=killed_write, args=(str(program), files, at)
    )
    process.start()
    process.join()
    for name in NAMES:  # never half a file, never none
        data = (program / name).read_bytes()
        assert data in (old[name], files[name].encode())
    state = writer.write_program(program, files)
    assert state.edited == []
    assert set(contents(program)) == NAMES | {writer.RECORD, "mine.txt"}
    assert all((program / n).read_text() == text for n, text in files.items())


@pytest.mark.parametrize("at", range(1, 10))
def test_a_build_killed_before_its_folder_is_there_leaves_none(
    at: int, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    files = files_of(LENET, "keras")
    process = multiprocessing.get_context("fork").Process(
        target=killed_write, args=(str(program), files, at)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not program.exists()
    for left in tmp_path.iterdir():
        os.utime(left, (0, 0))  # long ago
    writer.write_program(program, files)
    assert [path.name for path in tmp_path.iterdir()] == ["program"]


def repeated_write(folder: str, files: list[dict[str, str]]) -> None:
    for number in range(20):
        writer.write_program(Path(folder), files[number % 2])
    os._exit(0)


def test_builds_at_once_leave_one_whole_program(tmp_path: Path) -> None:
    program = tmp_path / "program"
    both = [files_of(LENET, target) for target in TARGETS]
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=repeated_write, args=(str(program), order))
        for order in (both, both[::-1], both)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    found = {name: data.decode() for name, data in contents(program).items()}
    assert set(found) == NAMES | {writer.RECORD}
    assert {name: found[name] for name in NAMES} in both
    assert [path.name for path in tmp_path.iterdir()] == ["program"]


# The commands


def test_errors_of_the_spec_write_nothing(tmp_path: Path) -> None:
    text = LENET.replace("kernel: 5", "kernel: 0", 1)
    for name in ("build", "train"):
        status, output = command(
            name, "-", "--target", "keras", "-o", tmp_path / "program", input=text
        )
        assert status == 1
        assert "error[CS107]" in output
    assert list(tmp_path.iterdir()) == []


def test_warnings_of_the_spec_are_shown(tmp_path: Path) -> None:
    text = spec_file("mit_6s191").read_text()
    text = "\n".join(line for line in text.splitlines() if "allow" not in line)
    status, output = command(
        "build", "-", "--target", "keras", "-o", tmp_path / "program", input=text
    )
    assert status == 0
    assert "warning[CS401]" in output


@pytest.mark.parametrize("target", TARGETS)
def test_train_builds_and_runs_the_program_in_its_own_process(
    target: str, tmp_path: Path
) -> None:
    """The console script, from another folder; the exit status is the program's."""
    line = [
        *(sys.executable, "-c", "from cnnspec.cli import main; main()"),
        *("train", str(spec_file("lenet5_modern")), "--target", target),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*line, "--", "--epochs", "1"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / f"lenet5_modern-{target}"
    assert f"weights, metrics and curves are in {folder / 'run'}" in done.stdout
    assert (folder / "run" / "best.safetensors").exists()
    if target == "pytorch":
        wrong = subprocess.run(
            [*line, "--", "--epochs", "0"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert wrong.returncode == 2
        assert "--epochs and --batch-size start at 1" in wrong.stderr
