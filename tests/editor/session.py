"""The questions of `cases` enter; a transcript of what an editor shows leaves.

`python -m tests.editor.session` prints the transcript, and with `--check` its difference to
`expected.txt`; it exits with 1 where there is one. Needs node and what package.json names.
"""

from __future__ import annotations

import difflib
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cnnspec.containers import CONTAINERS
from cnnspec.language_schema import dump
from cnnspec.layers import OPERATIONS
from cnnspec.shared import SHARED
from tests.editor.cases import COMPLETIONS, HEAD, HOVERS, MISTAKES, Question
from tests.editor.server import SERVER, Server
from tests.test_language_schema import EVERYTHING

ROOT = Path(__file__).parents[2]
EXPECTED = Path(__file__).with_name("expected.txt")
MODELINE = "# yaml-language-server: $schema=cnnspec-1.schema.json\n"


def transcript(server: Server) -> Iterator[str]:
    """What is compared, a line each; the lists of operations grow, and some stand for all."""
    yield "# What an editor with yaml-language-server shows; written by tests/editor/session.py."
    for number, mistake in enumerate(MISTAKES):
        yield f"\n== mistake: {mistake.title}: {mistake.wrong or 'without ' + mistake.right}"
        text = MODELINE + mistake.text
        for found in server.open(f"mistake{number}.yaml", text):
            # The lists of sources, losses and the others grow, too.
            message = re.sub(r'((?:"\w+", ){2}).*', r"\1…", found["message"])
            yield f"{_underlined(text, found['range'])!r}: {message}"
    for number, question in enumerate(COMPLETIONS):
        yield from _asked("completion", question)
        items = _completions(server, f"completion{number}.yaml", question)
        for item in items:
            if not question.shown or item["label"] in question.shown:
                edit = item.get("textEdit", {}).get("newText", item.get("insertText"))
                yield f"{item['label']} -> {edit!r}{_first_line(item)}"
    for number, question in enumerate(HOVERS):
        yield from _asked("hover", question)
        name = f"hover{number}.yaml"
        server.open(name, MODELINE + question.document)
        line, column = question.place
        text = server.hover(name, line + 1, column)
        yield re.sub(r"\n*Source: \[cnnspec-1\.schema\.json\]\(.*\)\s*$", "", text)


def _asked(kind: str, question: Question) -> Iterator[str]:
    yield f"\n== {kind}: {question.title}: {_line(question)}"


def _line(question: Question) -> str:
    return question.text.split("\n")[question.place[0]].strip()


def _completions(server: Server, name: str, question: Question) -> list[dict[str, Any]]:
    server.open(name, MODELINE + question.document)
    line, column = question.place
    return server.completions(name, line + 1, column)


def _underlined(text: str, span: dict[str, dict[str, int]]) -> str:
    start, end = span["start"], span["end"]
    lines = text.split("\n")
    if start["line"] != end["line"]:
        return lines[start["line"]][start["character"] :]
    return lines[start["line"]][start["character"] : end["character"]]


def _first_line(item: dict[str, Any]) -> str:
    note = item.get("documentation") or ""
    text = note["value"] if isinstance(note, dict) else note
    return f" ({text.partition(chr(10))[0]})" if text else ""


def faults(server: Server) -> Iterator[str]:
    """What holds whatever operations there are: what is right is not underlined, all is offered."""
    for path in sorted((ROOT / "specs").glob("*.yaml")):
        for found in server.open(str(path), path.read_text("utf-8")):
            yield f"{path.name}: {found['message']} {found['range']['start']}"
    for found in server.open("everything.yaml", MODELINE + EVERYTHING.lstrip("\n")):
        yield f"everything: {found['message']} {found['range']['start']}"
    question = Question("", HEAD + "  - §\n")
    found = {item["label"] for item in _completions(server, "all.yaml", question)}
    expected = {*OPERATIONS, *CONTAINERS, *SHARED}
    if found != expected:
        yield f"offered after `- `: {sorted(found ^ expected)} too many or too few"
    for op, cls in OPERATIONS.items():
        question = Question("", f"{HEAD}  - {op}:\n      §\n")
        items = _completions(server, f"{op}.yaml", question)
        missing = set(cls.fields) - {item["label"] for item in items}
        if missing:
            yield f"not offered in `{op}`: {sorted(missing)}"


def main() -> int:
    if not SERVER.is_file():
        sys.exit("yaml-language-server is not installed: run `make test-editor`")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cnnspec-1.schema.json").write_text(dump(), encoding="utf-8")
        with Server(folder) as server:
            text = "\n".join(transcript(server)) + "\n"
            wrong = list(faults(server))
    if "--check" not in sys.argv:
        print(text, end="")
        return 0
    expected = EXPECTED.read_text(encoding="utf-8")
    wrong += difflib.unified_diff(
        expected.splitlines(), text.splitlines(), "expected", "shown", lineterm=""
    )
    print("\n".join(wrong) or f"as expected: {text.count(chr(10) + '== ')} questions")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
