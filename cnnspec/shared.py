"""The keys that stand beside any operation or block enter; an entry's settings leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.names import check_name, text_of
from cnnspec.spec import Broken, Entry, Head, Operation, Reference, Reuse
from cnnspec.values import read_value
from cnnspec.yamltree import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.spec import Variables
    from cnnspec.values import Value

SHARED = ("name", "from", "when", "repeat", "trainable", "init")


def read_shared(entry: Entry, node: Mapping, variables: Variables, bag: Bag) -> None:
    """Reads the shared keys of an item of a list of layers into its entry."""
    for key, child in node.items:
        if key.text == "name":
            _read_name(entry, key, child, bag)
        elif key.text == "from":
            _read_from(entry, child, bag)
        elif key.text in SHARED:
            value = read_value(child, bag)
            if value is not None:
                _take(entry, key, value, variables, bag)


def take_name(entry: Entry, node: Node, bag: Bag) -> None:
    """The author's name for an entry, where it may be one."""
    name = text_of(node)
    if check_name(name, "layer", node.span, bag, node.kind):
        entry.name = name
        entry.named = True


def _read_name(entry: Entry, key: Scalar, node: Node, bag: Bag) -> None:
    if isinstance(entry, Head):
        bag.add(
            "CS108",
            "the name of a head stands inside it",
            key.span,
            help="write `head: {name: …, layers: […]}`",
        )
        return
    take_name(entry, node, bag)


def _read_from(entry: Entry, node: Node, bag: Bag) -> None:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        entry.source = Reference(node.text, node.span)
        return
    bag.add(
        "CS107",
        "`from` takes the name of an earlier layer",
        node.span,
        f"gets {node.kind}",
        help="several inputs go to a merge: `add: {with: [a, b]}`"
        if isinstance(node, Sequence)
        else None,
    )


def _take(
    entry: Entry, key: Scalar, value: Value, variables: Variables, bag: Bag
) -> None:
    if key.text == "init":
        _take_init(entry, key, value, variables, bag)
    elif isinstance(entry, Head) and key.text in ("repeat", "when"):
        bag.add("CS113", f"a head has no `{key.text}`", key.span)
    elif isinstance(entry, Reuse) and key.text == "trainable":
        bag.add(
            "CS113",
            "a layer that is reused is frozen or not where it first stands",
            key.span,
            help=f"write `trainable` beside `{entry.target.name}`",
        )
    elif (
        isinstance(entry, Operation) and entry.parts and key.text in ("repeat", "when")
    ):
        bag.add(
            "CS113",
            f"an operation with several outputs has no `{key.text}`",
            key.span,
            help="put it into a block with what reads its parts",
        )
    else:
        setattr(entry, key.text, value)


def _take_init(
    entry: Entry, key: Scalar, value: Value, variables: Variables, bag: Bag
) -> None:
    if isinstance(entry, Broken):
        return  # whether it has a kernel nobody knows
    from cnnspec.initializers import read_init

    if isinstance(entry, Operation) and entry.op.takes_init:
        entry.init = read_init(value.node, variables, bag)
        return
    bag.add(
        "CS114",
        f"`{entry.key}` has no kernel to initialise",
        key.span,
        help="`init` stands beside an operation with a kernel, such as `conv` or `dense`",
    )
