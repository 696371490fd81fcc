"""Lists of layers: nodes enter, entries leave (operations, blocks in use, containers)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.declared import read_given, settle
from cnnspec.diagnostics import Label
from cnnspec.fields import Boolean, Choice, Declared, Number
from cnnspec.layers import OPERATIONS
from cnnspec.names import check_name
from cnnspec.spec import (
    Block,
    Body,
    Broken,
    Entry,
    Head,
    Operation,
    Parallel,
    Reference,
    Residual,
    Use,
)
from cnnspec.suggest import did_you_mean
from cnnspec.values import Unevaluable, Value, read_value
from cnnspec.yamltree import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.layers.layer import Layer

SHARED = ("name", "from", "when", "repeat", "trainable", "init")


class ResidualFields(Declared):
    """Body plus shortcut."""

    connect = Boolean(
        True, doc="Whether the shortcut is added; false leaves the body alone."
    )


class ParallelFields(Declared):
    """Branches side by side on one input, then merged."""

    merge = Choice(
        "concat",
        "add",
        "multiply",
        "average",
        "maximum",
        default="concat",
        doc="How the branches' outputs become one.",
    )
    split = Boolean(
        False, doc="Branch i gets part i of the channels instead of all of them."
    )


class HeadFields(Declared):
    """A second output."""

    loss_weight = Number(
        1.0, least=0, samples=[0.3, 1, 2.5], doc="Factor of this output's loss."
    )
    serve = Boolean(True, doc="Whether the head exists outside of training.")


# Each container's lists, with whether they must be given.
LISTS = {
    "residual": {"body": True, "shortcut": False},
    "parallel": {"branches": True},
    "head": {"layers": True},
}
CONTAINERS: dict[str, type[Declared]] = {
    "residual": ResidualFields,
    "parallel": ParallelFields,
    "head": HeadFields,
}


class EntryReader:
    """Reads the lists of one spec; knows its blocks and what was read before.

    `memo` shares a layer between entries that say the same: what is alike is checked once.
    """

    __slots__ = ("bag", "blocks", "memo", "variables")

    def __init__(
        self, blocks: dict[str, Block], variables: dict[str, Any], bag: Bag
    ) -> None:
        self.blocks = blocks
        self.variables = variables
        self.bag = bag
        self.memo: dict[tuple[Any, ...], tuple[Layer | None, dict[str, Value]]] = {}

    def read_list(self, node: Node | None, owner: str, top: bool = False) -> Body:
        """The entries of a list; what can't be read is reported and left out."""
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            if not (isinstance(node, Scalar) and node.value is None):
                self.bag.add(
                    "CS103",
                    f"`{owner}` takes a list of layers",
                    node.span,
                    f"gets {node.kind}",
                    help="each layer is an item: `- relu`",
                )
            return ()
        return tuple([self._read_item(item, top) for item in node.items])

    def _read_item(self, node: Node, top: bool) -> Entry:
        entry = self._read_entry(node, top)
        return entry if entry is not None else Broken("layer", node.span, node)

    def _read_entry(self, node: Node, top: bool) -> Entry | None:
        if isinstance(node, Scalar):
            if not isinstance(node.value, str):
                self._not_an_entry(node)
                return None
            return self._read_body(node, node.text, None, node, top)
        if not isinstance(node, Mapping):
            self._not_an_entry(node)
            return None
        keys = [(key, value) for key, value in node.items if key.text not in SHARED]
        if len(keys) != 1:
            self._wrong_number_of_keys(node, [key for key, _ in keys])
            return None
        key, body = keys[0]
        entry = self._read_body(key, key.text, body, node, top)
        if entry is not None and len(node.items) > 1:
            self._read_shared(entry, node)
        return entry

    def _not_an_entry(self, node: Node) -> None:
        self.bag.add(
            "CS105",
            "a layer is a name, or a mapping with one operation",
            node.span,
            f"gets {node.kind}",
            help="write `- relu` or `- conv: {filters: 8, kernel: 3}`",
        )

    def _wrong_number_of_keys(self, node: Mapping, keys: list[Scalar]) -> None:
        if not keys:
            self.bag.add(
                "CS105",
                "this layer names no operation",
                node.span,
                f"has only {', '.join(f'`{key.text}`' for key, _ in node.items) or 'nothing'}",
                help="add an operation or a block, such as `relu:`",
            )
            return
        known = [k for k in keys if self._is_known(k.text)]
        unknown = [k for k in keys if not self._is_known(k.text)]
        if len(known) == 1:
            for key in unknown:
                self._unknown_shared(key, known[0])
            return
        second = keys[1]
        first = keys[0]
        self.bag.add(
            "CS105",
            f"one layer has {len(keys)} operations",
            second.span,
            f"`{second.text}` after `{first.text}`",
            help="begin each layer with its own `-`; fields belong inside the "
            f"operation: `{first.text}: {{…}}`",
        )

    def _unknown_shared(self, key: Scalar, operation: Scalar) -> None:
        op = OPERATIONS.get(operation.text)
        fields = set(op.fields) if op else set()
        if key.text in fields:
            help = (
                f"`{key.text}` is a field of `{operation.text}`: indent it under "
                f"`{operation.text}:`, or write `{operation.text}: {{{key.text}: …}}`"
            )
        else:
            meant = did_you_mean(key.text, (*SHARED, *fields))
            help = (
                f"did you mean `{meant}`?"
                if meant
                else f"beside `{operation.text}` may stand {', '.join(SHARED)}"
            )
        self.bag.add(
            "CS106",
            f"unknown key `{key.text}` beside `{operation.text}`",
            key.span,
            help=help,
        )

    def _is_known(self, name: str) -> bool:
        return name in OPERATIONS or name in CONTAINERS or name in self.blocks

    def _read_body(
        self, key: Scalar, name: str, body: Node | None, node: Node, top: bool
    ) -> Entry | None:
        op = OPERATIONS.get(name)
        if op is not None:
            return self._read_operation(key, op, body, node)
        block = self.blocks.get(name)
        if block is not None:
            return self._read_use(key, block, body, node)
        if name in CONTAINERS:
            return self._read_container(key, name, body, node, top)
        meant = did_you_mean(name, (*OPERATIONS, *CONTAINERS, *self.blocks))
        self.bag.add(
            "CS104",
            f"unknown operation or block `{name[:60]}`",
            key.span,
            help=f"did you mean `{meant}`?"
            if meant
            else "`cnnspec explain operations` lists the operations; blocks stand "
            "under `blocks`",
        )
        return None

    def _read_operation(
        self, key: Scalar, op: type[Layer], body: Node | None, node: Node
    ) -> Operation | None:
        memo_key = _memo_key(key.text, body)
        if memo_key is not None and memo_key in self.memo:
            layer, given = self.memo[memo_key]
        else:
            read = read_given(op, body, f"`{op.op}`", key.span, self.bag)
            if read is None:
                return None
            layer, given = None, read
            if not any(value.dynamic for value in given.values()):
                layer = op({n: op.fields[n].accept(v.tree) for n, v in given.items()})
                if memo_key is not None:
                    self.memo[memo_key] = layer, given
        entry = Operation(key.text, key.span, node, op)
        entry.layer = layer
        entry.given = given
        if "with" in given:
            entry.edges = self._edges(given["with"])
        return entry

    def _edges(self, value: Value) -> tuple[Reference, ...]:
        node = value.node
        assert isinstance(node, Sequence)
        return tuple(
            Reference(item.text, item.span)
            for item in node.items
            if isinstance(item, Scalar)
        )

    def _read_use(
        self, key: Scalar, block: Block, body: Node | None, node: Node
    ) -> Use | None:
        entry = Use(key.text, key.span, node, block)
        if body is None or (isinstance(body, Scalar) and body.value is None):
            items: tuple[tuple[Scalar, Node], ...] = ()
        elif isinstance(body, Mapping):
            items = body.items
        else:
            self.bag.add(
                "CS103",
                f"block `{block.name}` takes a mapping of arguments",
                body.span,
                f"gets {body.kind}",
            )
            return None
        for name, child in items:
            if name.text not in block.args:
                self._unknown_argument(name, block)
            elif (value := read_value(child, self.bag)) is not None:
                entry.given[name.text] = value
        missing = [
            f"`{argument.name}`"
            for argument in block.args.values()
            if argument.default is None
            and not any(name.text == argument.name for name, _ in items)
        ]
        if missing:
            self.bag.add(
                "CS210",
                f"block `{block.name}` needs {' and '.join(missing)}",
                key.span,
                help=f"give it: `{block.name}: {{{missing[0][1:-1]}: …}}`",
                related=(Label(block.span, "the block's definition"),),
            )
        return entry

    def _unknown_argument(self, name: Scalar, block: Block) -> None:
        if name.text in SHARED:
            self.bag.add(
                "CS108",
                f"`{name.text}` belongs beside `{block.name}`, not in it",
                name.span,
                help=f"indent `{name.text}` to where `{block.name}` stands",
            )
            return
        meant = did_you_mean(name.text, block.args)
        self.bag.add(
            "CS211",
            f"block `{block.name}` has no argument `{name.text[:60]}`",
            name.span,
            help=f"did you mean `{meant}`?"
            if meant
            else f"its arguments: {', '.join(block.args) or 'none'}",
        )

    def _read_container(
        self, key: Scalar, name: str, body: Node | None, node: Node, top: bool
    ) -> Entry | None:
        if not isinstance(body, Mapping):
            wanted = ", ".join(f"{n}: […]" for n in LISTS[name])
            self.bag.add(
                "CS103",
                f"`{name}` takes a mapping",
                key.span if body is None else body.span,
                "gets nothing" if body is None else f"gets {body.kind}",
                help=f"write `{name}: {{{wanted}}}`",
            )
            return None
        for wanted, required in LISTS[name].items():
            if required and wanted not in body:
                self.bag.add("CS109", f"`{name}` needs `{wanted}`", key.span)
        own = (*LISTS[name], "name") if name == "head" else tuple(LISTS[name])
        rest = Mapping(
            body.span, tuple(i for i in body.items if i[0].text not in own), body.flow
        )
        given = (
            read_given(CONTAINERS[name], rest, f"`{name}`", key.span, self.bag) or {}
        )
        if name == "residual":
            return self._read_residual(key, body, node, given)
        settled = self._settle(CONTAINERS[name], given, name, key)
        if name == "parallel":
            return self._read_parallel(key, body, node, settled)
        return self._read_head(key, body, node, top, settled)

    def _settle(
        self, cls: type[Declared], given: dict[str, Value], name: str, key: Scalar
    ) -> Declared:
        """Fields that hold for the whole definition: they may use `vars` only."""
        try:
            done = settle(cls, given, self.variables, f"`{name}`", key.span, self.bag)
        except Unevaluable as fault:
            self.bag.add(
                "CS205",
                f"a field of `{name}` may use `vars` only",
                fault.node.span,
                fault.error.message,
            )
            done = None
        return done if done is not None else cls({})

    def _read_residual(
        self, key: Scalar, body: Mapping, node: Node, given: dict[str, Value]
    ) -> Residual:
        entry = Residual(key.text, key.span, node)
        entry.body = self.read_list(body.get("body"), "body")
        entry.shortcut = self.read_list(body.get("shortcut"), "shortcut")
        entry.connect = given.get("connect")
        return entry

    def _read_parallel(
        self, key: Scalar, body: Mapping, node: Node, fields: Declared
    ) -> Parallel | None:
        entry = Parallel(key.text, key.span, node)
        entry.merge = fields.values["merge"]
        entry.split = fields.values["split"]
        branches = body.get("branches")
        if branches is None:
            return None
        if not isinstance(branches, Sequence) or not branches.items:
            self.bag.add(
                "CS103",
                "`branches` takes a list of lists of layers",
                branches.span,
                f"gets {branches.kind if branches.kind != 'a list' else 'an empty list'}",
            )
            return None
        entry.branches = tuple(
            self.read_list(branch, f"branches[{i}]")
            for i, branch in enumerate(branches.items)
        )
        return entry

    def _read_head(
        self, key: Scalar, body: Mapping, node: Node, top: bool, fields: Declared
    ) -> Head | None:
        entry = Head(key.text, key.span, node)
        entry.loss_weight = fields.values["loss_weight"]
        entry.serve = fields.values["serve"]
        entry.layers = self.read_list(body.get("layers"), "layers")
        name = body.get("name")
        if name is None:
            self.bag.add(
                "CS109", "`head` needs `name`", key.span, help="it names the output"
            )
            return None
        self._take_name(entry, name)
        if not top:
            self.bag.add(
                "CS113",
                "a head stands in the top-level `layers` only",
                key.span,
                help="give the layer a name, and tap it at top level by `from`",
            )
            return None
        return entry

    def _take_name(self, entry: Entry, node: Node) -> None:
        name = node.text if isinstance(node, Scalar) and node.plain else None
        if check_name(
            name if name is not None else node.kind, "layer", node.span, self.bag
        ):
            assert name is not None
            entry.name = name
            entry.named = True

    def _read_shared(self, entry: Entry, node: Mapping) -> None:
        for key, child in node.items:
            shared = key.text
            if shared not in SHARED:
                continue
            if shared == "name":
                if isinstance(entry, Head):
                    self.bag.add(
                        "CS108",
                        "the name of a head stands inside it",
                        key.span,
                        help="write `head: {name: …, layers: […]}`",
                    )
                    continue
                self._take_name(entry, child)
            elif shared == "from":
                if isinstance(child, Scalar) and isinstance(child.value, str):
                    entry.source = Reference(child.text, child.span)
                else:
                    self.bag.add(
                        "CS107",
                        "`from` takes the name of an earlier layer",
                        child.span,
                        f"gets {child.kind}",
                        help="several inputs go to a merge: `add: {with: [a, b]}`"
                        if isinstance(child, Sequence)
                        else None,
                    )
            else:
                self._read_shared_value(entry, key, child)

    def _read_shared_value(self, entry: Entry, key: Scalar, child: Node) -> None:
        value = read_value(child, self.bag)
        if value is None:
            return
        shared = key.text
        if shared == "init":
            self._take_init(entry, key, value)
            return
        if isinstance(entry, Head) and shared in ("repeat", "when"):
            self.bag.add("CS113", f"a head has no `{shared}`", key.span)
            return
        setattr(entry, shared, value)

    def _take_init(self, entry: Entry, key: Scalar, value: Value) -> None:
        from cnnspec.initializers import read_init

        if not isinstance(entry, Operation) or not entry.op.takes_init:
            self.bag.add(
                "CS114",
                f"`{entry.key}` has no kernel to initialise",
                key.span,
                help="`init` stands beside operations with a kernel: "
                + ", ".join(n for n, op in OPERATIONS.items() if op.takes_init),
            )
            return
        entry.init = read_init(value.node, self.variables, self.bag)


def _memo_key(op: str, body: Node | None) -> tuple[Any, ...] | None:
    """What makes two operations alike: plain scalars only, no expressions."""
    if body is None:
        return (op,)
    if isinstance(body, Scalar):
        return (op,) if body.value is None else None
    if not isinstance(body, Mapping):
        return None
    key: list[Any] = [op]
    for name, value in body.items:
        if not isinstance(value, Scalar) or "$" in value.text:
            return None
        key += (name.text, type(value.value), value.value)
    return tuple(key)
