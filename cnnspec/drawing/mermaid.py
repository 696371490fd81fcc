"""A Picture enters, a Mermaid flowchart leaves."""

from __future__ import annotations

from cnnspec.drawing.chart import SHORTCUT, Chart, Cluster, Spot
from cnnspec.drawing.picture import Picture

_CLASSES = {
    "kernel": "#dbeafe,stroke:#2563eb",
    "window": "#ffedd5,stroke:#ea580c",
    "merge": "#f3e8ff,stroke:#9333ea",
    "plain": "#f3f4f6,stroke:#9ca3af",
    "terminal": "#d1fae5,stroke:#059669",
    "closed": "#ffffff,stroke:#64748b",
}
_ENDS = ("input", "output")
# Mermaid reads these inside quotes; everything else is text.
_ENTITIES = {c: f"#{ord(c)};" for c in '"#&<>`\\;'}


def to_mermaid(picture: Picture) -> str:
    chart = Chart(picture)
    lines = ["---", f"title: {picture.name}", "---", "flowchart TD"]
    for kind, fill in _CLASSES.items():
        lines.append(f"  classDef {kind} fill:{fill},color:#111827")
    for inner in chart.inner:
        lines += _inner(inner, "  ")
    for arrow in chart.arrows:
        line = "-.->" if arrow.dashed else "==>" if arrow.kind == SHORTCUT else "-->"
        text = f'|"{_text(arrow.text)}"|' if arrow.text else ""
        lines.append(f"  {arrow.source} {line}{text} {arrow.target}")
    return "\n".join(lines) + "\n"


def _inner(inner: Spot | Cluster, indent: str) -> list[str]:
    if isinstance(inner, Spot):
        label = "<br/>".join(map(_text, inner.rows))
        left, right = ("([", "])") if inner.kind in _ENDS else ("[", "]")
        kind = "terminal" if inner.kind in _ENDS else inner.kind
        lines = [f'{indent}{inner.name}{left}"{label}"{right}:::{kind}']
    else:
        lines = [f'{indent}subgraph {inner.name}["{_text(inner.title)}"]']
        for each in inner.inner:
            lines += _inner(each, indent + "  ")
        lines.append(f"{indent}end")
    if inner.dashed:
        lines.append(f"{indent}style {inner.name} stroke-dasharray:5 4")
    return lines


def _text(text: str) -> str:
    return "".join([_ENTITIES.get(c, c if c.isprintable() else " ") for c in text])
