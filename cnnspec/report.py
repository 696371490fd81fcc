"""A checked spec enters; the JSON contract and the table a person reads leave."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.costs import Totals, total
from cnnspec.spec import Head, Residual

if TYPE_CHECKING:
    from cnnspec.compile import Checked
    from cnnspec.graph import Field, Graph, Node, Scope
    from cnnspec.shapes import Shape
    from cnnspec.spec import Body, Entry, Spec

_ROUND = re.compile(r"\[\d+\]")


def spec_json(checked: Checked, strict: bool = False) -> dict[str, Any]:
    """One element of the contract's `specs`.

    Shapes are lists without the batch, null where unknown.
    """
    from cnnspec.render import diagnostic_json

    file, spec, graph = checked.source.name, checked.spec, checked.graph
    bad = {"error", "warning"} if strict else {"error"}
    found = checked.diagnostics
    totals = total(graph) if graph is not None and not checked.has_errors else None
    return {
        "file": file,
        "name": spec.name if spec else None,
        "ok": not any(d.severity in bad for d in found),
        "inputs": {n: _sizes(graph.shape(e)) for n, e in graph.inputs.items()}
        if graph
        else {},
        "outputs": {n: _sizes(graph.shape(e)) for n, e in graph.outputs.items()}
        if graph
        else {},
        "totals": _totals_json(totals) if totals else None,
        "layers": [_layer_json(node, graph) for node in graph.layers] if graph else [],
        "diagnostics": [diagnostic_json(d, file) for d in found],
    }


def _sizes(shape: Shape | None) -> list[int] | None:
    return list(shape.sizes) if shape is not None else None


def _totals_json(totals: Totals) -> dict[str, Any]:
    return {
        **totals.costs._asdict(),
        "depth": totals.depth,
        "activation_bytes": totals.activation_bytes,
        "layers": totals.layers,
        "training": totals.training._asdict(),
    }


def _layer_json(node: Node, graph: Graph) -> dict[str, Any]:
    assert node.entry is not None
    return {
        "path": node.path,
        "op": node.layer.op if node.layer else node.entry.key,
        "inputs": [_sizes(graph.shape(edge)) for edge in node.inputs],
        "outputs": [_sizes(shape) for shape in node.outputs],
        "params": node.params,
        "trainable_params": node.trainable_params,
        "macs": node.macs,
        "receptive_field": _field_json(node.field if node.outputs[0] else None),
        "line": node.entry.key_span.line,
        "scope": node.scope.path.rstrip("."),
        **({"reuses": node.reuses} if node.reuses else {}),
    }


def _field_json(field: Field | None) -> dict[str, Any] | None:
    """One number where all axes agree, else one per axis."""
    if field is None:
        return None
    return {"size": _together(field.size), "stride": _together(field.stride)}


def _together(sizes: tuple[int, ...]) -> int | list[int]:
    return sizes[0] if len(set(sizes)) == 1 else list(sizes)


class _Row:
    """A layer, or a block, container or branch with its layers below it."""

    __slots__ = (
        "below",
        "count",
        "field",
        "label",
        "macs",
        "op",
        "output",
        "params",
        "parent",
    )

    def __init__(
        self, label: str, op: str, output: str, field: str, parent: _Row | None = None
    ) -> None:
        self.label = label
        self.op = op
        self.output = output
        self.field = field
        self.params = 0
        self.macs = 0
        self.count = 1
        self.below: list[_Row] = []
        self.parent = parent
        if parent is not None:
            parent.below.append(self)

    def take(self, node: Node) -> None:
        """Counts a node in; its output is the row's until a later one comes."""
        row: _Row | None = self
        while row is not None:
            row.params += node.params
            row.macs += node.macs
            row.output = " + ".join(map(_shape_text, node.outputs))
            row.field = _field_text(node.field)
            row = row.parent


class _Part(NamedTuple):
    """Where an entry stands: in which list of which container."""

    container: Entry
    list: int


def _parts(spec: Spec) -> dict[Entry, tuple[_Part, ...]]:
    """The containers around each entry of every definition, the outermost first."""
    found: dict[Entry, tuple[_Part, ...]] = {}

    def visit(body: Body, around: tuple[_Part, ...]) -> None:
        for entry in body:
            found[entry] = around
            for number, inner in enumerate(entry.lists()):
                visit(inner, (*around, _Part(entry, number)))

    for body in (spec.layers, *(block.layers for block in spec.blocks.values())):
        visit(body, ())
    return found


def _rows(spec: Spec, graph: Graph) -> list[_Row]:
    """The layers as a tree of blocks and containers, each with the sums of what it holds."""
    parts = _parts(spec)
    root = _Row("", "", "", "")
    rows: dict[object, _Row] = {}

    def child(key: object, label: str, op: str, parent: _Row) -> _Row:
        if key not in rows:
            rows[key] = _Row(label, op, "?", "", parent)
        return rows[key]

    def row_of(scope: Scope) -> _Row:
        if scope.use is None or scope.parent is None:
            return root
        label = scope.path.rstrip(".").removeprefix(scope.parent.path)
        around = home(scope.parent, scope.use, label)
        return child(scope, label, scope.use.block.name, around)

    def home(scope: Scope, entry: Entry, label: str) -> _Row:
        """The row of the list that holds an entry of a scope, in the round of its label."""
        row, rounds = row_of(scope), ""
        left = _ROUND.findall(label)
        for container, number in parts[entry]:
            if container.repeat is not None and left:
                rounds += left.pop(0)
            row = group(scope, container, rounds, row)
            if not isinstance(container, Head):
                residual = isinstance(container, Residual)
                part = (
                    ("body", "shortcut")[number] if residual else f"branch {number + 1}"
                )
                row = child((scope, container, rounds, number), part, "", row)
        return row

    def group(scope: Scope, container: Entry, rounds: str, around: _Row) -> _Row:
        name = f"{container.name}{rounds}"
        label = f"head {name}" if isinstance(container, Head) else name
        return child((scope, container, rounds), label, container.key, around)

    for node in graph.layers:
        assert node.entry is not None
        label = node.path.removeprefix(node.scope.path)
        around = home(node.scope, node.entry, label)
        op = node.layer.op if node.layer else node.entry.key
        if not node.entry.lists():
            _Row(label, op, "", "", around).take(node)
            continue
        row = group(node.scope, node.entry, "".join(_ROUND.findall(label)), around)
        if label.endswith(".split"):
            row = _Row("split", op, "", "", row)
        row.take(node)
    return root.below


def _shape_text(shape: Shape | None) -> str:
    return str(shape) if shape is not None else "?"


def _field_text(field: Field | None) -> str:
    """As in `43/4`: 43 pixels wide, 4 apart."""
    if field is None:
        return ""
    size, stride = (
        "x".join(map(str, v)) if len(set(v)) > 1 else str(v[0]) for v in field
    )
    return f"{size}/{stride}"


def _fold(rows: list[_Row]) -> list[_Row]:
    """Blocks without their layers; rounds of a repeat as one row."""
    folded: list[_Row] = []
    stem_before = ""
    for row in rows:
        stem = row.label.partition("[")[0] if row.label.endswith("]") else ""
        if folded and stem and stem == stem_before:
            last = folded[-1]
            last.count += 1
            last.params += row.params
            last.macs += row.macs
            last.output, last.field = row.output, row.field
        else:
            copy = _Row(stem or row.label, row.op, row.output, row.field)
            copy.params, copy.macs = row.params, row.macs
            folded.append(copy)
        stem_before = stem
    return folded


def _flatten(rows: list[_Row], indent: int = 0) -> list[tuple[int, _Row]]:
    flat = []
    for row in rows:
        flat.append((indent, row))
        flat += _flatten(row.below, indent + 1)
    return flat


HEADERS = ("layer", "operation", "output", "params", "MACs", "field/step")
RIGHT = (False, False, False, True, True, True)
# Columns that go first where the terminal is narrow.
DISPENSABLE = (5, 1, 4)


def table(checked: Checked, expand: bool, width: int, color: bool) -> str:
    """Shapes and costs of every layer, and the totals below.

    Args:
        expand: show the layers inside blocks and containers, and each round of a repeat.
        width: of the terminal, in columns.
    """
    spec, graph = checked.spec, checked.graph
    assert spec is not None and graph is not None
    totals = total(graph)
    assert totals is not None
    rows = _rows(spec, graph)
    listed = _flatten(rows) if expand else [(0, row) for row in _fold(rows)]
    cells = [HEADERS] + [_cells(indent, row) for indent, row in listed]
    inputs = ", ".join(
        f"{name} {graph.shape(edge)}" for name, edge in graph.inputs.items()
    )
    lines = [f"{_bold(spec.name, color)}  {checked.source.name}", inputs, ""]
    body = _columns(cells, width)
    lines.append(_bold(body[0], color))
    lines += body[1:]
    lines.append("")
    lines += _footer(totals)
    outputs = {n: e for n, e in graph.outputs.items() if n != "output"}
    if outputs:
        shown = ", ".join(f"{n} {graph.shape(e)}" for n, e in graph.outputs.items())
        lines.append(f"outputs: {shown}")
    return "\n".join(lines) + "\n"


def _cells(indent: int, row: _Row) -> tuple[str, ...]:
    label = f"{row.label} x{row.count}" if row.count > 1 else row.label
    return (
        "  " * indent + label,
        row.op,
        row.output,
        f"{row.params:,}" if row.params else "",
        f"{row.macs:,}" if row.macs else "",
        row.field,
    )


def _columns(cells: list[tuple[str, ...]], width: int) -> list[str]:
    """Aligned lines; where they don't fit, columns go, then long names are cut."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    shown = list(range(len(HEADERS)))
    for column in DISPENSABLE:
        if sum(widths[i] + 2 for i in shown) <= width + 2:
            break
        shown.remove(column)
    over = sum(widths[i] + 2 for i in shown) - 2 - width
    if over > 0:
        widths[0] = max(12, widths[0] - over)
    layout = "  ".join(f"{{{i}:{'>' if RIGHT[i] else '<'}{widths[i]}}}" for i in shown)
    lines = [layout.format(_cut(row[0], widths[0]), *row[1:]).rstrip() for row in cells]
    absent = [name for i, name in enumerate(HEADERS) if i not in shown]
    if absent:
        lines.append(f"(too narrow for {', '.join(absent)})"[:width])
    return lines


def _cut(text: str, width: int) -> str:
    """The end of a text that is too long: the end tells layers apart."""
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def _footer(totals: Totals) -> list[str]:
    costs = totals.costs
    frozen = costs.params - costs.trainable_params
    lines = [
        f"parameters   {costs.params:,} ({in_bytes(costs.params * 4)} in float32)"
        + (f", {frozen:,} of them frozen" if frozen else ""),
        f"MACs         {costs.macs:,} per sample ({2 * costs.macs:,} FLOPs)",
        f"depth        {totals.depth}",
        f"activations  {in_bytes(totals.activation_bytes)} per sample in float32",
    ]
    if totals.training != costs:
        lines.append(
            f"in training  {totals.training.params:,} parameters, "
            f"{totals.training.macs:,} MACs"
        )
    return lines


def in_bytes(count: int) -> str:
    """As in `1.5 MiB`."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"


def _bold(text: str, color: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if color else text
