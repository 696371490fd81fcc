"""Lists of layers: nodes enter, entries leave (operations, blocks in use, containers)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.containers import CONTAINERS, LISTS, read_container
from cnnspec.declared import read_given
from cnnspec.diagnostics import Label
from cnnspec.expressions import Name
from cnnspec.fields import NAMING, Parts
from cnnspec.layers import OPERATIONS
from cnnspec.names import check_name, text_of
from cnnspec.shared import SHARED, read_shared
from cnnspec.spec import (
    Block,
    Body,
    Broken,
    Entry,
    Operation,
    Part,
    Reference,
    Use,
)
from cnnspec.suggest import did_you_mean
from cnnspec.values import Value, read_value
from cnnspec.yamltree import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.layers.layer import Layer
    from cnnspec.spec import Variables


class EntryReader:
    """Reads the lists of one spec; knows its blocks and what was read before.

    `refused` are blocks that could not be declared (None: any), whose uses stay silent. `memo` shares
    a layer between entries that say the same: what is alike is checked once.
    """

    __slots__ = ("bag", "blocks", "memo", "refused", "variables")

    def __init__(
        self,
        blocks: dict[str, Block],
        refused: set[str] | None,
        variables: Variables,
        bag: Bag,
    ) -> None:
        self.blocks = blocks
        self.refused = refused
        self.variables = variables
        self.bag = bag
        self.memo: dict[tuple[Any, ...], tuple[Layer | None, dict[str, Value]]] = {}

    def read_list(self, node: Node | None, owner: str, top: bool = False) -> Body:
        """The entries of a list; what can't be read is reported and stands as Broken."""
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return ()
        if isinstance(node, Sequence):
            return tuple([self._read_item(item, top) for item in node.items])
        self.bag.add(
            "CS103",
            f"`{owner}` takes a list of layers",
            node.span,
            f"gets {node.kind}",
            help="each layer is an item: `- relu`",
        )
        return (Broken("layer", node.span, node),)

    def _read_item(self, node: Node, top: bool) -> Entry:
        if isinstance(node, Scalar) and isinstance(node.value, str):
            entry = self._read_body(node, None, node, top)
            return entry or Broken(node.text, node.span, node)
        if not isinstance(node, Mapping):
            self._not_an_entry(node)
            return Broken("layer", node.span, node)
        keys = [(key, value) for key, value in node.items if key.text not in SHARED]
        if len(keys) != 1:
            self._wrong_number_of_keys(node, [key for key, _ in keys])
            key = keys[0][0] if keys else None
            broken: Entry = Broken(
                key.text if key else "layer", key.span if key else node.span, node
            )
            read_shared(broken, node, self.variables, self.bag)
            return broken
        key, body = keys[0]
        entry = self._read_body(key, body, node, top) or Broken(
            key.text, key.span, node
        )
        if len(node.items) > 1:
            read_shared(entry, node, self.variables, self.bag)
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
        if not known:
            self._unknown_operation(keys[0])
        elif len(known) == 1:
            self._unknown_shared([k for k in keys if k is not known[0]], known[0])
        else:
            first, second = known[:2]
            self.bag.add(
                "CS105",
                f"one layer has {len(known)} operations",
                second.span,
                f"`{second.text}` after `{first.text}`",
                help="begin each layer with its own `-`; fields belong inside the "
                f"operation: `{first.text}: {{…}}`",
            )

    def _unknown_shared(self, keys: list[Scalar], operation: Scalar) -> None:
        """Keys beside an operation that belong elsewhere or nowhere: one error for all."""
        name = operation.text
        inside = self._inside(name)
        first = keys[0]
        if all(key.text in inside for key in keys):
            fields = " and ".join(f"`{key.text}`" for key in keys)
            belongs = "belong" if len(keys) > 1 else "belongs"
            self.bag.add(
                "CS106",
                f"{fields} {belongs} inside `{name}`, not beside it",
                first.span,
                help=f"indent deeper than `{name}`, or write "
                f"`{name}: {{{first.text}: …}}`",
            )
            return
        for key in keys:
            meant = did_you_mean(key.text, (*SHARED, *inside))
            self.bag.add(
                "CS106",
                f"unknown key `{key.text[:60]}` beside `{name}`",
                key.span,
                help=f"did you mean `{meant}`?"
                if meant
                else f"beside `{name}` may stand {', '.join(SHARED)}",
            )

    def _inside(self, name: str) -> tuple[str, ...]:
        """What the mapping of an operation, block or container takes."""
        if name in OPERATIONS:
            return tuple(OPERATIONS[name].fields)
        if name in self.blocks:
            return tuple(self.blocks[name].args)
        if name in CONTAINERS:
            return (*LISTS[name], *CONTAINERS[name].fields)
        from cnnspec.plugins import Unusable, installed

        try:
            op = installed(name)
        except Unusable:
            op = None
        return tuple(op.fields) if op is not None else ()

    def _is_known(self, name: str) -> bool:
        return name in self._known()

    def _known(self) -> tuple[str, ...]:
        """Everything that an entry may be, installed operations too."""
        from cnnspec.plugins import installed_names

        return (*OPERATIONS, *CONTAINERS, *self.blocks, *installed_names())

    def _read_body(
        self, key: Scalar, body: Node | None, node: Node, top: bool
    ) -> Entry | None:
        """None where it is reported that this is no entry."""
        name = key.text
        op = OPERATIONS.get(name)
        if op is not None:
            return self._read_operation(key, op, body, node)
        block = self.blocks.get(name)
        if block is not None:
            return self._read_use(key, block, body, node)
        if name in CONTAINERS:
            return read_container(self, key, body, node, top)
        from cnnspec.plugins import Unusable, installed

        try:
            op = installed(name)
        except Unusable as fault:
            self.bag.add(
                fault.code, fault.message, key.span, fault.label, help=fault.help
            )
            return None
        if op is not None:
            return self._read_operation(key, op, body, node)
        self._unknown_operation(key)
        return None

    def _unknown_operation(self, key: Scalar) -> None:
        """CS104; silent for a block whose own definition was refused."""
        name = key.text
        if self.refused is None or name in self.refused:
            return
        from cnnspec.aliases import operation_help

        self.bag.add(
            "CS104",
            f"unknown operation or block `{name[:60]}`",
            key.span,
            help=operation_help(name, self._known()),
        )

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
        for name, field in op.fields.items():
            if name in given and isinstance(field, NAMING):
                if given[name].dynamic:
                    self._no_names(name, given[name])
                    return None
                if isinstance(field, Parts):
                    entry.parts = self._parts(given[name])
                else:
                    entry.edges += self._edges(given[name])
        return entry

    def _parts(self, value: Value) -> tuple[Part, ...]:
        """The names that may be names."""
        node = value.node
        assert isinstance(node, Sequence)
        return tuple(
            Part(text_of(item), item.span, port)
            for port, item in enumerate(node.items)
            if check_name(text_of(item), "part", item.span, self.bag, item.kind)
        )

    def _no_names(self, field: str, value: Value) -> None:
        expr, node = value.expressions()[0]
        self.bag.add(
            "CS107",
            f"`{field}` takes names of layers, not expressions",
            node.span,
            help=f"write `{expr.name}`" if isinstance(expr, Name) else None,
        )

    def _edges(self, value: Value) -> tuple[Reference, ...]:
        node = value.node
        items = node.items if isinstance(node, Sequence) else (node,)
        return tuple(
            Reference(item.text, item.span)
            for item in items
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
        unknown = (
            [] if block.broken else [k for k, _ in items if k.text not in block.args]
        )
        for name in unknown:
            self._unknown_argument(name, block)
        empty = [
            item for item in items if item[0].text in block.args and _is_empty(item[1])
        ]
        for name, child in empty:
            self._empty_argument(name, child, block)
        for name, child in items:
            value = read_value(child, self.bag) if name.text in block.args else None
            if value is not None:
                entry.given[name.text] = value
        given = {name.text for name, _ in items}
        missing = [
            name
            for name, argument in block.args.items()
            if argument.default is None and name not in given
        ]
        if missing and not unknown:  # else they may be there under the wrong names
            self._missing_arguments(key, block, missing, bool(items))
        # With a wrong argument the block's output is unknown, and its followers stay silent.
        return None if unknown or missing or empty else entry

    def _empty_argument(self, name: Scalar, child: Node, block: Block) -> None:
        default = block.args[name.text].default
        self.bag.add(
            "CS107",
            f"argument `{name.text}` of block `{block.name}` must have a value",
            child.span,
            "gets nothing",
            help="leave it out for its default" if default else None,
        )

    def _missing_arguments(
        self, key: Scalar, block: Block, missing: list[str], some: bool
    ) -> None:
        """CS210; `some`: there are other arguments."""
        from cnnspec.wording import listed

        most = 5  # more names would hide the fact
        shown = ", ".join(f"{name}: …" for name in missing[:most])
        more = f" and {len(missing) - most} more" if len(missing) > most else ""
        self.bag.add(
            "CS210",
            f"block `{block.name}` needs {listed(missing[:most])}{more}",
            key.span,
            help=f"add `{shown}`" if some else f"write `{key.text}: {{{shown}}}`",
            related=(Label(block.span, "the block's definition"),),
        )

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


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


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
