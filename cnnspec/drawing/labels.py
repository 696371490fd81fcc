"""A layer enters; the few words that its box holds leave: `conv 3x3/2, 64`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.fields import NAMING

if TYPE_CHECKING:
    from cnnspec.graph import Node
    from cnnspec.layers.layer import Layer
    from cnnspec.shapes import Shape

LONGEST = 44  # characters of a line
# Fields that a picture leaves out: the shapes on the edges show what they do, or nobody looks.
_LEFT_OUT = frozenset(
    (
        *(
            "padding",
            "output_padding",
            "cropping",
            "rounding",
            "count_padding",
            "value",
        ),
        *("bias", "weights", "connections", "activation", "multiplier", "initial"),
        *("epsilon", "decay", "affine", "over", "alpha", "beta", "k"),
    )
)
_WINDOW = ("kernel", "stride", "filters")
_BARE = (
    "units",
    "features",
    "rate",
    "size",
    "function",
)  # say themselves what they are


def shape_text(shape: Shape | None) -> str:
    return str(shape) if shape is not None else ""


def cut(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def lines_of(layer: Layer, node: Node, shape: Shape | None) -> list[str]:
    """The layer's line, and one for its activation.

    Args:
        shape: what enters; its rank says how often one size for all axes counts.
    """
    values = layer.values
    rank = shape.rank if shape is not None else 0
    words = layer.op
    if values.get("kernel") is not None:
        words += f" {_sizes(values['kernel'], rank)}{_step(values, rank)}"
    parts = []
    if "filters" in values:
        parts.append(str(values["filters"]))
    for name, field in layer.fields.items():
        if name in _WINDOW or name in _LEFT_OUT or isinstance(field, NAMING):
            continue
        said = _field_text(name, values[name], field.default, rank)
        if said:
            parts.append(said)
    if values.get("weights") is not None:
        parts.append("constant")
    elif not node.trainable and (node.params or node.reuses):
        parts.append("frozen")
    glue = " " if words == layer.op else ", "
    lines = [cut(words + (glue + ", ".join(parts) if parts else ""))]
    activation = values.get("activation", "none")
    if isinstance(activation, str) and activation != "none":
        lines.append(cut(activation))
    return lines


def _field_text(name: str, value: Any, default: Any, rank: int) -> str:
    if value is None or value is False or value == default:
        return ""
    if value is True:
        return name
    text = _sizes(value, rank) if isinstance(value, tuple) else _plain(value)
    return text if name in _BARE else f"{name} {text}"


def _step(values: dict[str, Any], rank: int) -> str:
    """The stride, where it is not 1; a pool's is its kernel, where none is given."""
    stride = values.get("stride")
    stride = values["kernel"] if stride is None else stride
    flat = set(stride) if isinstance(stride, tuple) else {stride}
    if flat == {1}:
        return ""
    return f"/{flat.pop()}" if len(flat) == 1 else f"/{_sizes(stride, rank)}"


def _sizes(value: Any, rank: int) -> str:
    sizes = value if isinstance(value, tuple) else (value,) * max(rank, 1)
    return "x".join(map(str, sizes))


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return cut(str(value), 20)


def arguments_text(values: dict[str, Any]) -> list[str]:
    """A block's arguments in short lines."""
    lines: list[str] = []
    for name, value in values.items():
        said = name if value is True else f"{name} {_plain(value)}"
        if lines and len(lines[-1]) + len(said) < 26:
            lines[-1] += f", {said}"
        else:
            lines.append(said)
    return [cut(line) for line in lines]


def kind_of(layer: Layer) -> str:
    """How the layer's box looks."""
    if layer.counts_depth:
        return "kernel"
    if layer.arity[1] is None:
        return "merge"
    return "window" if "pool" in layer.op or layer.op == "upsample" else "plain"


SIGNS = ("add", "subtract", "multiply")  # drawn as +, - and a cross in a circle
