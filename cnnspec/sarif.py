"""Diagnostics of several files enter; a SARIF 2.1.0 log, for code scanning, leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cnnspec import __version__
from cnnspec.codes import Page, load_codes
from cnnspec.diagnostics import NOTE, Diagnostic, severity_of
from cnnspec.render import remarks, visible

if TYPE_CHECKING:
    from cnnspec.source import Span


def to_sarif(results: Sequence[tuple[str, Sequence[Diagnostic]]]) -> dict[str, Any]:
    """One run over the given (file name, diagnostics) pairs, with a rule for each code.

    Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
    """
    pages = load_codes()
    codes = sorted({d.code for _, found in results for d in found})
    index = {code: place for place, code in enumerate(codes)}
    driver = {
        "name": "cnnspec",
        "version": __version__,
        "rules": [_rule(code, pages.get(code)) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(d, file, index[d.code]) for file, found in results for d in found
        ],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }


def _rule(code: str, page: Page | None) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": code,
        "defaultConfiguration": {"level": severity_of(code)},
    }
    if page:
        rule["shortDescription"] = {"text": page.title}
        rule["fullDescription"] = {"text": page.why}
    return rule


def _result(found: Diagnostic, file: str, rule: int) -> dict[str, Any]:
    text = "\n".join(
        (
            found.message,
            *remarks(found),
            *((f"help: {found.help}",) if found.help else ()),
        )
    )
    result: dict[str, Any] = {
        "ruleId": found.code,
        "ruleIndex": rule,
        "level": "note" if found.severity == NOTE else found.severity,
        "message": {"text": _plain(text)},
        "locations": [{"physicalLocation": _location(file, found.span)}],
    }
    if found.related:
        result["relatedLocations"] = [
            {
                "id": number,
                "message": {"text": _plain(label.message)},
                "physicalLocation": _location(file, label.span),
            }
            for number, label in enumerate(found.related, start=1)
        ]
    return result


def _plain(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def _location(file: str, span: Span) -> dict[str, Any]:
    name = file.replace("\\", "/").encode("utf-8", "surrogateescape")
    return {
        "artifactLocation": {"uri": quote(name)},
        "region": {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        },
    }
