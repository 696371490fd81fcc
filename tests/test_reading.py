"""Files in; their text, or one diagnostic each, and allowances out."""

from __future__ import annotations

import io
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnspec.allowances import Allowance, allowances, apply_allowances
from cnnspec.diagnostics import Bag, Diagnostic, severity_of
from cnnspec.source import (
    MAX_BYTES,
    SourceFile,
    Span,
    decode,
    find_hidden,
    read_source,
)


def read(path: str | Path) -> tuple[SourceFile, list[Diagnostic]]:
    bag = Bag()
    return read_source(str(path), bag), bag.sorted()


def decoded(data: bytes) -> tuple[SourceFile, list[Diagnostic]]:
    bag = Bag()
    return decode("spec.yaml", data, bag), bag.sorted()


def test_a_regular_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("a: ü\r\nb: 1\rc: 2\n".encode())
    source, found = read(path)
    assert not found
    assert source.name == str(path)
    assert source.lines == ["a: ü", "b: 1", "c: 2", ""]


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    assert read(tmp_path / "b.yaml")[0].text == "a: 1\n"


def test_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = SimpleNamespace(buffer=io.BytesIO(b"a: 1\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    source, found = read("-")
    assert (source.name, source.text, found) == ("<stdin>", "a: 1\n", [])


def test_standard_input_is_read_no_further_than_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endless = io.BytesIO(b"#" * (3 * MAX_BYTES))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=endless))
    _, found = read("-")
    assert [d.code for d in found] == ["CS003"]
    assert endless.tell() == MAX_BYTES + 1


@pytest.mark.parametrize("name", ["missing.yaml", "a\0b", "x" * 5000, "file/inside"])
def test_a_path_that_cannot_be_read_says_why(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    source, found = read(f"{tmp_path}/{name}")
    assert [d.code for d in found] == ["CS001"]
    assert found[0].span == Span(1, 1, 1, 1)
    assert source.text == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_forbidden_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\n")
    path.chmod(0)
    assert "permission" in read(path)[1][0].message


def test_folder_pipe_socket_and_device_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's path may have 107 bytes
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        for path, kind in [
            (str(tmp_path), "a folder"),
            (str(tmp_path / "pipe"), "a named pipe"),
            (str(tmp_path / "socket"), "a socket"),
            ("/dev/zero", "a device"),
        ]:
            _, found = read(path)
            assert [d.code for d in found] == ["CS002"]
            assert kind in found[0].message


def test_size_limit_is_one_mebibyte_exactly(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * MAX_BYTES)
    assert not read(path)[1]
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert [d.code for d in read(path)[1]] == ["CS003"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["a: 1\n", "cnnspec: 1\nname: ü\n", "a"])
def test_utf_16_is_named(encoding: str, text: str) -> None:
    _, found = decoded(text.encode(encoding))
    assert [d.code for d in found] == ["CS004"]
    assert "UTF-16" in found[0].message


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf_32_is_named(encoding: str) -> None:
    _, found = decoded("a: 1\n".encode(encoding))
    assert "UTF-32" in found[0].message


def test_a_bad_byte_is_placed_and_quoted() -> None:
    source, found = decoded("x: ü\na: caf".encode() + b"\xe9 x\n")
    assert [d.code for d in found] == ["CS004"]
    assert found[0].span == Span(2, 7, 2, 11)
    assert found[0].label == "byte 0xE9 at offset 12"
    assert source.lines[1] == r"a: caf\xe9 x"


def test_a_byte_order_mark_is_dropped() -> None:
    source, found = decoded(b"\xef\xbb\xbfa: 1\n")
    assert (source.text, found) == ("a: 1\n", [])


@pytest.mark.parametrize(
    "char",
    "\0\x07\x1b\x7f\x85\xad\u061c\u200b\u200d\u200e\u2028\u2029\u202a\u202e"
    "\u2060\u2066\u2069\ufeff\u115f\u3164\ufffe\U000e0041",
)
def test_a_hidden_character_is_refused_even_in_a_comment(char: str) -> None:
    _, found = decoded(f"a: 1\nb: 2  # x{char}y\n".encode())
    assert [d.code for d in found] == ["CS005"]
    assert found[0].span[:2] == (2, 10)
    assert f"U+{ord(char):04X}" in found[0].message


@pytest.mark.parametrize(
    "text", ["a:\t1\r\n", "日本語: 'é e\u0301 \xa0 \u3000 ✔\ufe0f 😀'\n"]
)
def test_what_people_write_is_accepted(text: str) -> None:
    assert not decoded(text.encode())[1]


@given(st.binary(max_size=60))
def test_any_bytes_give_text_or_one_diagnostic(data: bytes) -> None:
    source, found = decoded(data)
    assert len(found) <= 1
    if not found:
        assert source.text.encode() == data.removeprefix(b"\xef\xbb\xbf")
        assert find_hidden(source.text) is None


def test_a_span_counts_lines_and_columns_from_one() -> None:
    source = SourceFile("x", "ab\r\ncd\re")
    assert source.span(0, 2) == Span(1, 1, 1, 3)
    assert source.span(4, 6) == Span(2, 1, 2, 3)
    assert source.span(7, 8) == Span(3, 1, 3, 2)


def allowed(text: str) -> tuple[list[Allowance], list[Diagnostic]]:
    bag = Bag()
    return allowances(SourceFile("x", text), bag), bag.sorted()


def at(line: int, code: str) -> Diagnostic:
    return Diagnostic(code, severity_of(code), "m", Span(line, 3, line, 4))


def test_an_allowance_behind_an_entry_silences_its_line() -> None:
    found, wrong = allowed(
        "a: 1\nb: 2  # cnnspec: allow CS401 -- the edge -- is black\n"
    )
    assert not wrong
    (it,) = found
    assert (it.line, it.code, it.reason) == (2, "CS401", "the edge -- is black")
    assert it.span == Span(2, 7, 2, 53)


def test_an_allowance_alone_silences_the_next_entry() -> None:
    found, _ = allowed(
        "a: 1\n# cnnspec: allow CS401 -- r\n# more\n\n"
        "  # cnnspec: allow CS402 -- r\nb: 2\n"
    )
    assert [(it.line, it.code) for it in found] == [(6, "CS401"), (6, "CS402")]


def test_one_comment_can_allow_several_codes() -> None:
    found, _ = allowed("a: 1 # cnnspec: allow CS401, CS490 -- r\r\n")
    assert [(it.code, it.reason) for it in found] == [("CS401", "r"), ("CS490", "r")]


@pytest.mark.parametrize(
    "text",
    [
        'a: "x # cnnspec: allow CS401 -- r"\n',
        "a: 'x\n  # cnnspec: allow CS401 -- r\n  y'\n",
        "a: |\n  x\n  # cnnspec: allow CS401 -- r\nb: 1\n",
    ],
)
def test_text_that_looks_like_an_allowance_is_none(text: str) -> None:
    assert allowed(text) == ([], [])


@pytest.mark.parametrize(
    "text",
    [
        "a: | # cnnspec: allow CS401 -- r\n  x\n",
        'a: "# not this" # cnnspec: allow CS401 -- r\n',
        "a: 'x' # cnnspec: allow CS401 -- r\n",
        "a: {b: [1, # cnnspec: allow CS401 -- r\n  2]}\n",
    ],
)
def test_a_comment_beside_quotes_and_blocks_is_one(text: str) -> None:
    found, wrong = allowed(text)
    assert [it.line for it in found] == [1]
    assert not wrong


def test_allowances_of_broken_yaml_are_no_traceback() -> None:
    found, _ = allowed("a: [ # cnnspec: allow CS401 -- r\n")
    assert [it.line for it in found] == [1]


def test_a_comment_below_a_block_belongs_to_the_next_line() -> None:
    found, _ = allowed("a: |\n  x\n# cnnspec: allow CS401 -- r\nb: 1\n")
    assert [it.line for it in found] == [4]


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("allow CS401", "allowing CS401 takes a reason"),
        ("allow CS401 --  ", "allowing CS401 takes a reason"),
        ("allow", "which code?"),
        ("allow -- r", "which code?"),
        ("allow CS401 because -- r", "names codes, not `CS401 because`"),
        ("allow CS301 -- r", "CS301 is an error"),
    ],
)
def test_a_faulty_allowance_is_an_error(comment: str, message: str) -> None:
    found, wrong = allowed(f"a: 1 # cnnspec: {comment}\n")
    assert not found
    assert [d.code for d in wrong] == ["CS030"]
    assert message in wrong[0].message


def test_allowances_silence_warnings_and_notes_of_their_line_only() -> None:
    found, _ = allowed("a: 1\nb: 2 # cnnspec: allow CS401, CS490 -- r\n")
    kept = [at(1, "CS401"), at(2, "CS402")]
    silenced = [at(2, "CS401"), at(2, "CS490")]
    assert apply_allowances([*kept, *silenced], found) == kept


def test_an_idle_allowance_is_a_warning() -> None:
    found, _ = allowed("a: 1 # cnnspec: allow CS401 -- r\n")
    left = apply_allowances([at(2, "CS401")], found)
    assert [(d.code, d.severity, d.span.line) for d in left] == [
        ("CS480", "warning", 1),
        ("CS401", "warning", 2),
    ]


def test_an_allowance_is_not_called_idle_where_there_are_errors() -> None:
    found, _ = allowed("a: 1 # cnnspec: allow CS401 -- r\n")
    assert apply_allowances([at(2, "CS301")], found) == [at(2, "CS301")]
