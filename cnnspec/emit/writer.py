"""A program's texts by name enter; a folder that holds them leaves, whole or as it was.

A new folder is made under another name beside its place and renamed. In a folder that is
there, files are replaced one by one from a whole copy inside it; where one can't be, all
are put back. A hidden file keeps the SHA-256 of what was generated last: a file that differs
from it was edited. It is kept while its generated text stays the same, and a conflict where
that changed too: then nothing is written. Nothing else in the folder is read or touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import unified_diff
from glob import escape
from pathlib import Path
from typing import NamedTuple

RECORD = ".cnnspec.json"
STALE_SECONDS = 60
_STAGE = ".cnnspec-"  # and the process that writes


class Unwritable(Exception):
    """The folder can't be written, and why; nothing in it was changed."""


class Difference(NamedTuple):
    """A file that is not as it would be written; None where there is none or none wanted."""

    name: str
    old: bytes | None
    new: bytes | None


class State(NamedTuple):
    """What a folder holds, compared with a program.

    Args:
        differences: files that would change.
        conflicts: those of them that were not written by cnnspec, or were edited since, and
            whose generated text is new.
        kept: files that were edited, and whose generated text is that of the last time.
    """

    differences: list[Difference]
    conflicts: list[Difference]
    kept: list[Difference]


def compare(folder: Path, files: dict[str, str]) -> State:
    """Compares a folder, which need not be there, with a program's files.

    Raises: Unwritable, where it is no folder, or can't be read.
    """
    _refuse(folder)
    try:
        return _compare(folder, files)
    except OSError as error:
        raise Unwritable(f"cannot read {folder}: {_reason(error)}") from error


def write_program(folder: Path, files: dict[str, str], force: bool = False) -> State:
    """Writes a program's files into a folder.

    Args:
        folder: made where it is not there, with the folders above it.
        force: overwrite edited files, too; then nothing is kept or a conflict.

    Returns: what the folder held before. Where there are conflicts, nothing was written.

    Raises: Unwritable.
    """
    _refuse(folder)
    try:
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            if _create(folder, files):
                added = [Difference(n, None, t.encode()) for n, t in files.items()]
                return State(added, [], [])
        with _locked(folder):
            state = _compare(folder, files)
            if force:
                state = State([*state.differences, *state.kept], [], [])
            if not state.conflicts:
                _clean(folder)
                _replace(folder, files, state.differences)
            return state
    except OSError as error:
        raise Unwritable(f"cannot write {folder}: {_reason(error)}") from error


def diff(differences: list[Difference]) -> str:
    """A unified difference from what is there to what would be written."""
    parts = []
    for name, old, new in differences:
        before = (old or b"").decode("utf-8", "backslashreplace")
        after = (new or b"").decode()
        lines = unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            f"{name} (there)" if old is not None else "/dev/null",
            f"{name} (generated)" if new is not None else "/dev/null",
        )
        for line in lines:
            end = "" if line.endswith("\n") else "\n\\ no newline at the end\n"
            parts.append(line + end)
    return "".join(parts)


def _refuse(folder: Path) -> None:
    """Refuses what is not a folder of the user's own making."""
    if folder.parts[:1] == ("~",):
        raise Unwritable(f"`~` in {folder} was not expanded by the shell")
    try:
        if folder.is_symlink():
            raise Unwritable(f"{folder} is a symbolic link: name the folder itself")
        for place in (folder, *folder.parents):
            if place.exists() and not place.is_dir():
                raise Unwritable(f"{place} is not a folder")
    except (OSError, ValueError) as error:
        raise Unwritable(f"cannot write {str(folder)!r}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _compare(folder: Path, files: dict[str, str]) -> State:
    written = _recorded(folder)
    state = State([], [], [])
    for name in sorted(files.keys() | written.keys()):
        path = folder / name
        is_link = path.is_symlink()
        old = None
        if is_link:
            old = f"symbolic link to {os.readlink(path)}\n".encode()
        elif path.is_dir():
            raise Unwritable(f"{path} is a folder")
        elif path.exists():
            old = path.read_bytes()
        new = files[name].encode() if name in files else None
        if old == new:
            continue
        difference = Difference(name, old, new)
        last = written.get(name, ())
        edited = old is not None and (is_link or _digest(old) not in last)
        if edited and new is not None and _digest(new) in last:
            state.kept.append(difference)
            continue
        state.differences.append(difference)
        if edited:
            state.conflicts.append(difference)
    return state


def _recorded(folder: Path) -> dict[str, list[str]]:
    """What cnnspec wrote: digests by name of file, two while a write is under way."""
    try:
        record = json.loads((folder / RECORD).read_bytes())
        return {
            name: [str(digest) for digest in digests]
            for name, digests in record["files"].items()
            if name == os.path.basename(name) and name not in (".", "..")
        }
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # it was edited: what it would vouch for counts as edited, too


def _record(digests: dict[str, list[str]]) -> bytes:
    return (json.dumps({"files": digests}, indent=2, sort_keys=True) + "\n").encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _create(folder: Path, files: dict[str, str]) -> bool:
    """Makes the folder at once; False where another process was quicker."""
    prefix = f".{folder.name}{_STAGE}"
    for left in folder.parent.glob(f"{escape(prefix)}*"):
        _remove_stale(left)
    stage = folder.parent / f"{prefix}{os.getpid()}"
    stage.mkdir()
    try:
        _fill(stage, files)
        final = {name: [_digest(text.encode())] for name, text in files.items()}
        _write(stage / RECORD, _record(final))
        _sync(stage)
        try:
            os.rename(stage, folder)
        except OSError:
            if folder.is_dir():
                return False
            raise
        _sync(folder.parent)
    finally:
        if stage.exists():
            shutil.rmtree(stage, ignore_errors=True)
    return True


def _replace(
    folder: Path, files: dict[str, str], differences: list[Difference]
) -> None:
    """Changes the files that differ, and puts them back where one can't be changed."""
    old = _recorded(folder)
    final = {n: [_digest(t.encode())] for n, t in files.items()}
    if not differences and old == final:
        return
    stage = folder / f"{_STAGE}{os.getpid()}"
    kept = stage / "kept"
    stage.mkdir()
    kept.mkdir()
    try:
        _fill(stage, {d.name: files[d.name] for d in differences if d.name in files})
        # If this process is killed between two files, both states count as written.
        both = {n: [*old.get(n, []), *final.get(n, [])] for n in old.keys() | final}
        _write(stage / RECORD, _record(both))
        _write(stage / "final", _record(final))
        _sync(stage)
        done: list[str] = []
        try:
            for name in [RECORD, *(d.name for d in differences)]:
                _keep(folder / name, kept / name)
                done.append(name)
                if (stage / name).exists():
                    os.replace(stage / name, folder / name)
                else:  # no file of the program any more
                    (folder / name).unlink()
            os.replace(stage / "final", folder / RECORD)
        except BaseException:
            for name in reversed(done):
                if os.path.lexists(kept / name):
                    os.replace(kept / name, folder / name)
                else:
                    (folder / name).unlink(missing_ok=True)
            raise
        _sync(folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _keep(path: Path, kept: Path) -> None:
    """A second name for a file, so that it can be put back; a copy where there are no links."""
    if not os.path.lexists(path):
        return
    try:
        os.link(path, kept, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(path, kept, follow_symlinks=False)


def _fill(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        _write(folder / name, text.encode())


def _write(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Makes names in a folder last through a power cut, where folders can be opened."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _clean(folder: Path) -> None:
    """Removes what a killed process left; nobody else writes while we hold the lock."""
    for left in folder.glob(f"{_STAGE}*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other builds out of a folder; it ends with the process at the latest."""
    try:
        import fcntl
    except ImportError:  # Windows: two builds at once are on their own
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _remove_stale(stage: Path) -> None:
    """Removes a folder that a killed process left: nobody takes so long to fill one."""
    with suppress(OSError):
        if time.time() - stage.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(stage, ignore_errors=True)
