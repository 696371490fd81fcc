"""A program gets into a folder whole or not at all, and nothing of the user's is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from cnnspec.emit import writer
from tests.programs import TARGETS, build, command, contents, files_of, spec_file

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
UNTRAINABLE = """\
cnnspec: 1
name: example
input: {channels: 1, height: 8, width: 8}
layers:
  - conv: {filters: 4, kernel: 3}
"""


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
    assert ("-# mine\n" in output) == (name != writer.RECORD)
    assert command(*arguments, "--force", input=changed)[0] == 0
    assert command(*arguments, "--check", input=changed)[0] == 0


def test_an_edited_file_is_kept_while_the_spec_gives_the_same_text(
    tmp_path: Path,
) -> None:
    program = build(LENET, "pytorch", tmp_path / "program")
    edited = (program / "train.py").read_text() + "# mine\n"
    (program / "train.py").write_text(edited)
    arguments = ("build", "-", "--target", "pytorch", "-o", program)
    kept = "; kept train.py, which you edited\n"
    before = contents(program)
    status, output = command(*arguments, input=LENET)
    assert (status, output) == (0, f"{program}: nothing to change{kept}")
    status, output = command(*arguments, "--check", input=LENET)
    assert (status, output) == (0, f"{program}: as it would be written{kept}")
    assert contents(program) == before
    changed = LENET.replace("84", "85")
    status, output = command(*arguments, input=changed)
    wrote = f"{program}: wrote README.md, model.py, spec.yaml{kept}"
    assert (status, output) == (0, wrote)
    assert (program / "train.py").read_text() == edited
    # It still counts as edited, and is a conflict once its own text changes.
    status, output = command(*arguments, input=f"{changed}x-note: 1\n")
    assert (status, output) == (0, f"{program}: wrote spec.yaml{kept}")
    status, output = command(
        *arguments, input=changed.replace("epochs: 15", "epochs: 16")
    )
    assert status == 1
    assert "-# mine\n" in output
    assert (program / "train.py").read_text() == edited
    status, output = command(*arguments, "--force", input=changed)
    assert (status, output) == (0, f"{program}: wrote spec.yaml, train.py\n")
    assert "# mine" not in (program / "train.py").read_text()


def test_a_file_that_a_program_has_no_more_goes_unless_it_was_edited(
    tmp_path: Path,
) -> None:
    program = build(LENET, "pytorch", tmp_path / "program")
    with open(program / "train.py", "a") as file:
        file.write("# mine\n")
    before = contents(program)
    arguments = ("build", "-", "--target", "pytorch", "-o", program)
    assert command(*arguments, input=UNTRAINABLE)[0] == 1
    assert contents(program) == before


def test_a_file_that_a_program_has_no_more_goes(tmp_path: Path) -> None:
    program = build(LENET, "pytorch", tmp_path / "program")
    build(UNTRAINABLE, "pytorch", program)
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
    assert command(*arguments, input=LENET)[0] == 0
    assert (program / "model.py").is_symlink()
    assert command(*arguments, input=LENET.replace("84", "85"))[0] == 1
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
    assert state.conflicts == state.kept == []
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
