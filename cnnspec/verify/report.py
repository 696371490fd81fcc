"""A certificate enters; its table or its JSON leaves."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from cnnspec.verify.certificate import Certificate, Difference
from cnnspec.verify.nodes import Watched

if TYPE_CHECKING:
    from cnnspec.graph import Graph
    from cnnspec.source import Span

VERSION = 1
COLUMNS = ("serving", "training", "gradients", "weights")
MOST_ROWS = 40  # more layers are told by the outermost block or layer they stand in
MOST_DIFFERENCES = 3  # further ones follow from the first, mostly


def as_json(
    certificate: Certificate, graph: Graph, file: str, versions: dict[str, str]
) -> dict[str, Any]:
    """The contract of `--format json`."""
    facts = certificate.facts
    spans = spans_of(graph)
    return {
        "version": VERSION,
        "file": file,
        "name": facts["function"],
        "same": certificate.same,
        "seed": facts["seed"],
        "samples": facts["samples"],
        "steps": facts["steps"] if facts["trained"] else 0,
        "packages": versions,
        "limits": certificate.limits,
        "layers": [
            {
                "path": node.path,
                "op": node.op,
                "line": spans[node.path].line,
                "output": list(node.sizes),
                **{
                    column: _number(certificate, node.path, column)
                    for column in COLUMNS
                },
            }
            for node in _nodes(facts)
        ],
        "losses": [
            loss if isfinite(loss) else str(loss) for loss in certificate.losses
        ],
        "notes": certificate.notes,
        "differences": [
            {**found._asdict(), "line": _line(spans.get(found.layer))}
            for found in certificate.differences
        ],
    }


def _line(span: Span | None) -> int | None:
    return None if span is None else span.line


def _number(certificate: Certificate, path: str, column: str) -> float | str | None:
    """A gap; `inf`, which JSON lacks, as text."""
    gap = certificate.gaps[path].get(column)
    return gap if gap is None or gap < float("inf") else "inf"


def spans_of(graph: Graph) -> dict[str, Span]:
    """Where each layer stands in the spec, by its path and those of its outputs."""
    found = {}
    for node in graph.layers:
        assert node.entry is not None
        for port in range(len(node.outputs)):
            found[f"{node.path}.{port}"] = node.entry.key_span
        found[node.path] = node.entry.key_span
    return found


def as_text(
    certificate: Certificate,
    graph: Graph,
    file: str,
    versions: dict[str, str],
    expand: bool,
) -> str:
    """The table, then what is to be said of it, the verdict last."""
    facts = certificate.facts
    used = ", ".join(f"{name} {version}" for name, version in versions.items())
    batch = f"{facts['samples']} samples, seed {facts['seed']}"
    lines = [f"{facts['function']}: {used}; {batch}", ""]
    lines += _table(certificate, expand)
    lines.append("")
    if certificate.losses and facts["trained"] and certificate.same:
        lines.append(_loss_line(certificate.losses))
    lines += [f"note: {note}" for note in certificate.notes]
    if facts["why_not_trained"]:
        lines.append(_untrained(facts))
    lines += _verdict(certificate, graph, file)
    return "\n".join(lines) + "\n"


def _untrained(facts: dict[str, Any]) -> str:
    gradients = "; gradients are those of the outputs' sum with drawn factors"
    why = f"note: there is no training program, because {facts['why_not_trained']}"
    return why + (gradients if facts["learns"] else "")


def _loss_line(losses: list[float]) -> str:
    steps = f"{len(losses)} steps" if len(losses) > 1 else "one step"
    return f"loss {losses[0]:.6g} to {losses[-1]:.6g} in {steps}, the same in both"


def _nodes(facts: dict[str, Any]) -> list[Watched]:
    return [Watched(*row) for row in facts["nodes"]]


def _table(certificate: Certificate, expand: bool) -> list[str]:
    nodes = _nodes(certificate.facts)
    columns = [c for c in COLUMNS if any(c in row for row in certificate.gaps.values())]
    heads = [_head(certificate, column) for column in columns]
    rows = [["layer", "operation", "output", *(head for head, _ in heads)]]
    rows.append(["", "", "", *(kind for _, kind in heads)])
    if len(nodes) > MOST_ROWS and not expand:
        rows += _grouped(certificate, nodes, columns)
    else:
        rows += [
            [
                node.path,
                node.op,
                _sizes(node.sizes),
                *_gaps(certificate, [node], columns),
            ]
            for node in nodes
        ]
    limits = [f"{certificate.limits[column]:.1e}" for column in columns]
    rows.append(["limit", "", "", *limits])
    return _aligned(rows)


def _head(certificate: Certificate, column: str) -> tuple[str, str]:
    facts = certificate.facts
    one_step = certificate.limits.get("weights", 0) > certificate.limits["training"]
    kind = "float32" if one_step else "float64"
    steps = "1 step" if one_step else f"{facts['steps']} steps"
    return {
        "serving": ("forward", "float32"),
        "training": ("training", "float64"),
        "gradients": ("gradients", kind),
        "weights": (steps, kind),
    }[column]


def _grouped(
    certificate: Certificate, nodes: list[Watched], columns: list[str]
) -> list[list[str]]:
    """A row for each outermost block or layer: the worst of its layers."""
    groups: dict[str, list[Watched]] = {}
    for node in nodes:
        groups.setdefault(node.path.partition(".")[0], []).append(node)
    rows = []
    for name, group in groups.items():
        what = group[0].op if len(group) == 1 else f"{len(group)} layers"
        sizes = _sizes(group[-1].sizes)
        rows.append([name, what, sizes, *_gaps(certificate, group, columns)])
    return rows


def _gaps(
    certificate: Certificate, nodes: list[Watched], columns: list[str]
) -> list[str]:
    found = []
    for column in columns:
        rows = [certificate.gaps[node.path] for node in nodes]
        gaps = [row[column] for row in rows if column in row]
        found.append(_gap(max(gaps), certificate.limits[column]) if gaps else "")
    return found


def _gap(gap: float, limit: float) -> str:
    text = "0" if gap == 0 else f"{gap:.1e}"
    return text if gap <= limit else f"{text} !"


def _sizes(sizes: tuple[int, ...]) -> str:
    """As `cnnspec check` prints a shape."""
    return "x".join(map(str, sizes))


def _aligned(rows: list[list[str]]) -> list[str]:
    """Words to the left, numbers to the right, a mark behind a number apart."""
    marked = any(cell.endswith(" !") for row in rows for cell in row)
    rows = [
        [
            *row[:3],
            *(c if c.endswith(" !") or not marked else f"{c}  " for c in row[3:]),
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index < 3 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _verdict(certificate: Certificate, graph: Graph, file: str) -> list[str]:
    facts = certificate.facts
    if certificate.same:
        layers = len(facts["nodes"])
        said = f"{layers} layer{'s' if layers != 1 else ''} forward"
        if facts["learns"]:
            said += ", all gradients"
        if facts["learns"] and facts["trained"]:
            said += f", {len(certificate.losses)} training step"
            said += "s" if len(certificate.losses) != 1 else ""
        return [f"PyTorch and Keras are the same network: {said}"]
    first, *others = certificate.differences
    named = {found.layer: found for found in reversed(others)}  # of a layer, the first
    rest = [found for layer, found in reversed(named.items()) if layer != first.layer]
    lines = [
        f"they differ, first in {_where(first, graph, file)}",
        f"  {first.message}",
    ]
    if first.cause:
        lines.append(f"  likely cause: {first.cause}")
    for found in rest[: MOST_DIFFERENCES - 1]:
        lines.append(f"also {_where(found, graph, file)}: {found.message}")
    if len(rest) >= MOST_DIFFERENCES:
        lines.append(
            f"and {len(rest) - MOST_DIFFERENCES + 1} more, which may follow from it"
        )
    return lines


STAGES = {
    "serving": "the forward pass",
    "training": "the forward pass of training",
    "names": "the weights",
    "outputs": "the outputs",
    "loss": "the loss",
    "gradients": "the gradients",
    "weights": "the weights after the steps",
}


def _where(found: Difference, graph: Graph, file: str) -> str:
    spans = spans_of(graph)
    if found.layer not in spans:
        return STAGES[found.stage]
    span = spans[found.layer]
    place = f"{file}:{span.line}:{span.column}"
    return f"`{found.layer}` ({place}), {STAGES[found.stage]}"
