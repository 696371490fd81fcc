"""What is wrong with a spec: the stages put Diagnostics into a Bag, the renderers read it."""

from __future__ import annotations

from typing import NamedTuple

from cnnspec.source import Span

ERROR, WARNING, NOTE = "error", "warning", "note"


class Label(NamedTuple):
    """A second place that explains a diagnostic, such as the layer that made a shape."""

    span: Span
    message: str


class Diagnostic(NamedTuple):
    """One finding.

    The message is the fact, lowercase, without a full stop; `label` stands under the caret
    and shows the received value and the limit; only `help` proposes.
    """

    code: str
    severity: str
    message: str
    span: Span
    label: str = ""
    notes: tuple[str, ...] = ()
    help: str | None = None
    related: tuple[Label, ...] = ()


def severity_of(code: str) -> str:
    """CS49n are notes, other CS4nn warnings, all else errors."""
    if code.startswith("CS49"):
        return NOTE
    return WARNING if code.startswith("CS4") else ERROR


class Bag:
    """Collects the diagnostics of one run over one spec, each once."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[tuple[str, Span, str], Diagnostic] = {}

    def add(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        *,
        notes: tuple[str, ...] = (),
        help: str | None = None,
        related: tuple[Label, ...] = (),
    ) -> None:
        """Adds a finding; the same code and message at the same place counts once."""
        self._found.setdefault(
            (code, span, message),
            Diagnostic(
                code, severity_of(code), message, span, label, notes, help, related
            ),
        )

    def replace(self, diagnostics: list[Diagnostic]) -> None:
        """Takes these findings for all that were collected so far."""
        self._found = {(d.code, d.span, d.message): d for d in diagnostics}

    def __len__(self) -> int:
        return len(self._found)

    @property
    def has_errors(self) -> bool:
        return any(d.severity == ERROR for d in self._found.values())

    def sorted(self) -> list[Diagnostic]:
        """All findings in the order of their places in the file."""
        return sorted(self._found.values(), key=lambda d: (d.span, d.code, d.message))
