"""A Picture enters, a graph in Graphviz' DOT leaves."""

from __future__ import annotations

from cnnspec.drawing.chart import SHORTCUT, Chart, Cluster, Spot
from cnnspec.drawing.picture import Picture

_FILLS = {
    "kernel": ("#dbeafe", "#2563eb"),
    "window": ("#ffedd5", "#ea580c"),
    "merge": ("#f3e8ff", "#9333ea"),
    "plain": ("#f3f4f6", "#9ca3af"),
    "input": ("#d1fae5", "#059669"),
    "output": ("#d1fae5", "#059669"),
    "closed": ("#ffffff", "#64748b"),
}


def to_dot(picture: Picture) -> str:
    chart = Chart(picture)
    heads = [picture.name, picture.description, picture.figures]
    title = "\\l".join([*(_text(head) for head in heads if head), ""])
    lines = [
        f'digraph "{picture.name}" {{',  # a spec may be called `graph`
        f'  graph [label="{title}", labelloc=t, labeljust=l, fontname=Helvetica];',
        "  node [shape=box, style=filled, fontname=Helvetica, fontsize=11, height=0.3];",
        "  edge [fontname=Helvetica, fontsize=9, color=gray40, fontcolor=gray40];",
    ]
    for inner in chart.inner:
        lines += _inner(inner, "  ")
    for arrow in chart.arrows:
        settings = [f'label="{_text(arrow.text)}"'] if arrow.text else []
        if arrow.kind == SHORTCUT:
            settings += ['color="#dc2626"', "penwidth=2"]
        if arrow.dashed:
            settings.append("style=dashed")
        if arrow.kind == "weights":
            settings.append("constraint=false")
        said = f" [{', '.join(settings)}]" if settings else ""
        lines.append(f"  {arrow.source} -> {arrow.target}{said};")
    return "\n".join([*lines, "}"]) + "\n"


def _inner(inner: Spot | Cluster, indent: str) -> list[str]:
    if isinstance(inner, Spot):
        fill, line = _FILLS[inner.kind]
        label = "\\n".join(map(_text, inner.rows))
        styles = ["filled"]
        styles += ["rounded"] if inner.kind in ("input", "output") else []
        styles += ["dashed"] if inner.dashed else []
        return [
            f'{indent}{inner.name} [label="{label}", style="{",".join(styles)}", '
            f'fillcolor="{fill}", color="{line}"];'
        ]
    style = "dashed" if inner.dashed else "solid"
    lines = [
        f"{indent}subgraph cluster_{inner.name} {{",
        f'{indent}  label="{_text(inner.title)}"; style={style}; labeljust=l;',
    ]
    for each in inner.inner:
        lines += _inner(each, indent + "  ")
    return [*lines, f"{indent}}}"]


def _text(text: str) -> str:
    said = "".join([c if c.isprintable() else " " for c in text])
    return said.replace("\\", "\\\\").replace('"', '\\"')
