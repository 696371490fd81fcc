"""A tree enters, a Spec leaves: keys, names and references are checked, nothing is expanded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.containers import CONTAINERS
from cnnspec.declared import report
from cnnspec.entries import EntryReader
from cnnspec.inputs import read_inputs
from cnnspec.layers import OPERATIONS
from cnnspec.names import camel, check_name, text_of
from cnnspec.references import name_entries, resolve_references
from cnnspec.scoping import check_let, check_names, refuse_recursion
from cnnspec.spec import Argument, Block, Broken, Reference, Spec, Variables
from cnnspec.suggest import did_you_mean
from cnnspec.values import Unevaluable, Value, read_value
from cnnspec.variables import read_variables
from cnnspec.yamltree import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag

VERSION = 1
KEYS = (
    "cnnspec",
    "name",
    "description",
    "vars",
    "input",
    "inputs",
    "blocks",
    "layers",
    "outputs",
    "data",
    "train",
)


def resolve(root: Mapping, overrides: dict[str, Any], bag: Bag) -> Spec:
    """Reads the whole document; what is wrong is in the bag, what could be read in the Spec.

    Args:
        overrides: values of `--set`, by name of the variable.
    """
    spec = Spec(root)
    misspelt = _check_keys(root, bag)
    _read_version(root, misspelt, bag)
    spec.name = _read_spec_name(root, misspelt, bag)
    spec.description = _read_text(root, "description", bag)
    spec.variables = read_variables(root, _section(root, "vars", bag), overrides, bag)
    spec.inputs = read_inputs(root, misspelt, spec.variables, bag)
    refused = _declare_blocks(root, spec, bag)
    reader = EntryReader(spec.blocks, refused, spec.variables, bag)
    for block in spec.blocks.values():
        _read_block(block, reader, spec, bag)
    refuse_recursion(spec.blocks, bag)
    spec.layers = reader.read_list(root.get("layers"), "layers", top=True)
    name_entries(spec.layers, {i.name for i in spec.inputs if i.name != "input"}, bag)
    spec.outputs = _read_outputs(root, bag)
    resolve_references(spec.layers, spec, bag)
    if not spec.variables.broken:
        # Without any input this is reported already.
        channels = {"in_channels"} if len(spec.inputs) < 2 else set()
        check_names(spec.layers, frozenset(spec.variables) | channels, bag)
    spec.data = _section(root, "data", bag)
    spec.train = _section(root, "train", bag)
    return spec


def _read_block(block: Block, reader: EntryReader, spec: Spec, bag: Bag) -> None:
    layers = block.node.get("layers")
    if "layers" in block.node:
        block.layers = reader.read_list(layers, "layers")
    else:
        block.layers = (Broken("layer", block.span, block.node),)
    name_entries(block.layers, {*block.args, *block.let}, bag)
    resolve_references(block.layers, None, bag)
    if not (spec.variables.broken or block.broken):
        known = frozenset((*spec.variables, *block.args, "in_channels"))
        check_let(block, known, bag)
        check_names(block.layers, known | set(block.let), bag)


def _check_keys(root: Mapping, bag: Bag) -> set[str]:
    """Reports unknown keys; gives what they were probably meant to be."""
    misspelt = set()
    for key, _ in root.items:
        if key.text in KEYS or key.text.startswith("x-"):
            continue
        meant = did_you_mean(key.text, KEYS)
        if meant:
            misspelt.add(meant)
        bag.add(
            "CS101",
            f"unknown key `{key.text[:60]}`",
            key.span,
            help=f"did you mean `{meant}`?"
            if meant
            else f"a spec's keys: {', '.join(KEYS)}; `x-…` keys are yours",
        )
    if "layers" not in root and "layers" not in misspelt:
        bag.add(
            "CS102", "the spec has no `layers`", _start(root), help="add `layers: […]`"
        )
    return misspelt


def _start(root: Mapping) -> Any:
    return root.items[0][0].span if root.items else root.span


def _read_version(root: Mapping, misspelt: set[str], bag: Bag) -> None:
    node = root.get("cnnspec")
    if node is None:
        if "cnnspec" not in misspelt:
            bag.add(
                "CS102",
                "the spec does not say its language version",
                _start(root),
                help=f"begin it with `cnnspec: {VERSION}`",
            )
    elif not (
        isinstance(node, Scalar) and type(node.value) is int and node.value == VERSION
    ):
        bag.add(
            "CS110",
            "this is no language version that this cnnspec reads",
            node.span,
            f"gets {node.text[:20] if isinstance(node, Scalar) else node.kind}",
            help=f"write `cnnspec: {VERSION}`",
        )


def _read_spec_name(root: Mapping, misspelt: set[str], bag: Bag) -> str:
    node = root.get("name")
    if node is None:
        if "name" not in misspelt:
            bag.add(
                "CS102",
                "the spec has no `name`",
                _start(root),
                help="add `name: my_network`: it names the generated model",
            )
        return "model"
    name = text_of(node)
    if not check_name(name, "spec", node.span, bag, node.kind):
        return "model"
    if name in OPERATIONS or name in CONTAINERS:
        bag.add("CS112", f"`{name}` can't name a spec: it is an operation", node.span)
    return name


def _read_text(root: Mapping, key: str, bag: Bag) -> str:
    node = root.get(key)
    if node is None:
        return ""
    if isinstance(node, Scalar) and node.value is not None:
        return node.text
    bag.add("CS107", f"`{key}` takes text", node.span, f"gets {node.kind}")
    return ""


def _section(root: Mapping, key: str, bag: Bag) -> Mapping | None:
    node = root.get(key)
    if node is None or isinstance(node, Mapping):
        return node
    bag.add(
        "CS103",
        f"`{key}` takes a mapping",
        node.span,
        f"gets {node.kind}",
        help=_as_mapping(key, node) if isinstance(node, Sequence) else None,
    )
    return None


def _as_mapping(key: str, node: Sequence) -> str | None:
    """A list of names, or of mappings of one name, as the mapping that it should be."""
    names = []
    for item in node.items[:3]:
        if isinstance(item, Mapping) and item.items:
            given = item.get("name") or item.items[0][0]
            names.append(given.text if isinstance(given, Scalar) else "…")
        elif isinstance(item, Scalar) and item.value is not None:
            names.append(item.text)
    value = {"args": "~", "blocks": "{layers: […]}"}.get(key, "…")
    shown = ", ".join(f"{name[:40]}: {value}" for name in names)
    return f"write `{key}: {{{shown}}}`" if names else None


def _declare_blocks(root: Mapping, spec: Spec, bag: Bag) -> set[str] | None:
    """Fills `spec.blocks` with definitions whose layers are still to be read.

    Returns: the names of those refused, whose uses stay silent; None where that is any name.
    """
    section = _section(root, "blocks", bag)
    if section is None:
        return None if "blocks" in root else set()
    refused = set()
    classes = {camel(spec.name): "the spec"}
    for key, node in section.items:
        if _check_block(key, node, classes, bag):
            assert isinstance(node, Mapping)
            block = Block(key.text, key.span, node)
            spec.blocks[key.text] = block
            _declare_block(block, spec.variables, bag)
            classes[camel(key.text)] = f"block `{key.text}`"
        else:
            refused.add(key.text)
    for block in spec.blocks.values():
        _keep_from_hiding(block, section, bag)
    return refused


def _keep_from_hiding(block: Block, blocks: Mapping, bag: Bag) -> None:
    """CS214: a value named like a block would hide that block's function in Keras."""
    for part in ("args", "let"):
        values = block.node.get(part)
        for key, _ in values.items if isinstance(values, Mapping) else ():
            if key.text in blocks:
                bag.add("CS214", f"`{key.text}` is a block already", key.span)


def _check_block(key: Scalar, node: Node, classes: dict[str, str], bag: Bag) -> bool:
    """Whether a block's name and kind are right.

    Args:
        classes: whose each class name is already.
    """
    name = key.text
    if not check_name(name, "block", key.span, bag):
        return False
    if name in OPERATIONS or name in CONTAINERS:
        bag.add(
            "CS112",
            f"`{name}` can't name a block: it is an operation",
            key.span,
            help=f"for example `my_{name}`",
        )
        return False
    if camel(name) in classes:
        bag.add(
            "CS213",
            f"block `{name}` would have the same class name as {classes[camel(name)]}",
            key.span,
            f"both are `{camel(name)}`",
            help="rename one of them",
        )
        return False
    if not isinstance(node, Mapping):
        bag.add(
            "CS103",
            f"block `{name}` takes a mapping",
            node.span,
            f"gets {node.kind}",
            help=f"write `{name}: {{layers: […]}}`",
        )
        return False
    return True


def _declare_block(block: Block, variables: Variables, bag: Bag) -> None:
    known = ("args", "let", "layers")
    misspelt = set()
    for key, _ in block.node.items:
        if key.text not in known:
            meant = did_you_mean(key.text, known)
            misspelt.add(meant)
            bag.add(
                "CS106",
                f"unknown key `{key.text[:60]}` in block `{block.name}`",
                key.span,
                help=f"did you mean `{meant}`?"
                if meant
                else "its keys: args, let, layers",
            )
    if "layers" not in block.node and "layers" not in misspelt:
        bag.add(
            "CS109",
            f"block `{block.name}` needs `layers`",
            block.span,
            help=f"write `{block.name}: {{layers: […]}}`",
        )
    if misspelt & {"args", "let"}:
        block.broken.add("")  # which names that are nobody knows
    _declare_args(block, variables, bag)
    _declare_let(block, bag)


def _declare_args(block: Block, variables: Variables, bag: Bag) -> None:
    args = _section(block.node, "args", bag)
    if args is None and "args" in block.node:
        block.broken.add("")
    for key, node in args.items if args else ():
        if not check_name(key.text, "argument", key.span, bag):
            block.broken.add(key.text)
            continue
        required = isinstance(node, Scalar) and node.value is None
        default = None if required else read_value(node, bag)
        if default is not None and default.dynamic:
            default = _constant_default(default, variables, bag)
        if required or default is not None:
            block.args[key.text] = Argument(key.text, key.span, default)
        else:
            block.broken.add(key.text)


def _declare_let(block: Block, bag: Bag) -> None:
    let = _section(block.node, "let", bag)
    if let is None and "let" in block.node:
        block.broken.add("")
    for key, node in let.items if let else ():
        value = read_value(node, bag)
        if not check_name(key.text, "local value", key.span, bag) or value is None:
            block.broken.add(key.text)
        elif key.text in block.args:
            bag.add("CS214", f"`{key.text}` is an argument already", key.span)
        else:
            block.let[key.text] = value


def _constant_default(value: Value, variables: Variables, bag: Bag) -> Value | None:
    """A default is evaluated once, where only `vars` are known."""
    try:
        return Value(value.node, value.evaluate(variables), False)
    except Unevaluable as fault:
        report(fault, bag, variables)
        return None


def _read_outputs(root: Mapping, bag: Bag) -> tuple[Reference, ...] | None:
    node = root.get("outputs")
    if node is None:
        return None
    if not isinstance(node, Sequence) or not node.items:
        bag.add(
            "CS103",
            "`outputs` takes a list of names of layers",
            node.span,
            f"gets {node.kind if node.kind != 'a list' else 'an empty list'}",
        )
        return None
    found: dict[str, Reference] = {}
    for item in node.items:
        if not isinstance(item, Scalar) or not isinstance(item.value, str):
            bag.add(
                "CS107", "an output is a layer's name", item.span, f"gets {item.kind}"
            )
        elif item.text in found:
            bag.add("CS215", f"output `{item.text}` stands twice", item.span)
        else:
            found[item.text] = Reference(item.text, item.span)
    return tuple(found.values())
