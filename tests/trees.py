"""What the tests of reading share: text in; trees, plain values or mistakes out."""

from __future__ import annotations

from typing import Any

from cnnspec.diagnostics import Bag, Diagnostic
from cnnspec.source import decode
from cnnspec.yamltree import Mapping, Node, Scalar, Sequence, parse


def read(text: str) -> tuple[Mapping | None, list[Diagnostic]]:
    bag = Bag()
    return parse(
        decode("spec.yaml", text.encode("utf-8", "surrogatepass"), bag), bag
    ), (bag.sorted())


def tree(text: str) -> Mapping:
    root, found = read(text)
    assert not found
    assert root is not None
    return root


def values(node: Node) -> Any:
    if isinstance(node, Mapping):
        return {key.text: values(value) for key, value in node.items}
    if isinstance(node, Sequence):
        return [values(item) for item in node.items]
    return node.value


def faults(text: str) -> list[tuple[str, int, int]]:
    root, found = read(text)
    assert root is None
    return [(d.code, d.span.line, d.span.column) for d in found]


def scalar(text: str) -> Scalar:
    node = tree(f"a: {text}\n").get("a")
    assert isinstance(node, Scalar)
    return node


def laughs(levels: int) -> str:
    """Lists of nine aliases of lists of nine aliases, and so on."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for level in range(1, levels):
        inner = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} [{inner}]")
    return "\n".join(lines)
