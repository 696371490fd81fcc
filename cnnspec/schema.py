"""Mappings and values that the fields refused enter; a diagnostic for each mistake leaves.

A valid spec never comes here: jsonschema is loaded by the first mistake.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cnnspec.aliases import meant_field, place_within
from cnnspec.diagnostics import Bag
from cnnspec.expressions import Expr, Name
from cnnspec.fields import NAMING, Declared, Refused
from cnnspec.one_of import required
from cnnspec.values import read_value
from cnnspec.wording import help_for, list_of, listed, received, shown, wanted
from cnnspec.yamltree import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from cnnspec.source import Span
    from cnnspec.violations import Path, Schema, Violation

# A file of 1 MiB can hold 100,000 mistakes. Of one mapping or list so many items are read,
_MOST = 50
# and where a file has so many findings, no more are explained.
_ENOUGH = 1000
_UNKNOWN_VALUE = Name("unknown")  # stands for what is malformed and reported already

_INFERRED = ("in_channels", "in_features", "input_shape", "num_features")


def structure(cls: type[Declared]) -> Schema:
    """The JSON Schema of a declared mapping whose values are no expressions."""
    return {
        "type": "object",
        "properties": {name: field.schema() for name, field in cls.fields.items()},
        "required": required(cls),
        "additionalProperties": False,
    }


def explain(cls: type[Declared], node: Node, owner: str, span: Span, bag: Bag) -> None:
    """Reports what is wrong with a mapping whose fields were refused.

    Adds at least one of CS103 (no mapping), CS106 (unknown field), CS107 (a value of the
    wrong kind or out of range), CS108 (a key that belongs beside it), CS109 (a missing
    field); nothing where the bag is full.

    Args:
        owner: whose fields, in backticks, for messages.
        span: of the owner's name, where a missing field is reported.
    """
    if _is_full(bag):
        return
    if not isinstance(node, Mapping):
        _no_mapping(cls, node, owner, bag)
        return
    from cnnspec.violations import violations

    plain = {}
    unknown = 0
    for key, child in node.items:
        field = cls.fields.get(key.text)
        unknown += field is None
        if unknown > _MOST:
            continue
        value = read_value(child, Bag(), field is not None and field.takes_text)
        plain[key.text] = _UNKNOWN_VALUE if value is None else _some(value.tree)
        if isinstance(field, NAMING):
            plain[key.text] = _static(plain[key.text])
    found = violations(structure(cls), plain)
    for violation in found:
        _Explanation(cls, node, owner, span, bag).add(violation)
    if not found:
        _refused(cls, node, plain, owner, span, bag)


def explain_value(
    cls: type[Declared],
    field_name: str,
    plain: Any,
    node: Node,
    owner: str,
    span: Span,
    bag: Bag,
    notes: tuple[str, ...] = (),
) -> None:
    """Reports what is wrong with one field's evaluated value (CS107).

    Args:
        plain: what the field's expressions evaluate to.
        node: where the field's value stands.
        notes: in which use of a block, for each diagnostic.
    """
    if _is_full(bag):
        return
    from cnnspec.violations import violations

    key = Scalar(span, field_name, field_name, True)
    whole = Mapping(node.span, ((key, node),), True)
    schema = {
        "type": "object",
        "properties": {field_name: cls.fields[field_name].schema()},
    }
    found = violations(schema, {field_name: _some(plain)})
    for violation in found:
        _Explanation(cls, whole, owner, span, bag, notes).add(violation)
    if not found:
        _refused(cls, whole, {field_name: plain}, owner, span, bag, notes)


def _static(tree: Any) -> Any:
    """Where edges of the graph stand, expressions satisfy nothing."""
    if isinstance(tree, list):
        return [_static(item) for item in tree]
    return None if isinstance(tree, Expr) and tree is not _UNKNOWN_VALUE else tree


def _is_full(bag: Bag) -> bool:
    return len(bag) >= _ENOUGH and bag.has_errors


def _some(plain: Any) -> Any:
    """A list's beginning, one longer than is allowed anywhere; all else as it is."""
    return plain[:_MOST] if isinstance(plain, list) else plain


class _Explanation:
    """Turns violations of one mapping into diagnostics."""

    __slots__ = ("bag", "cls", "node", "notes", "owner", "span")

    def __init__(
        self,
        cls: type[Declared],
        node: Mapping,
        owner: str,
        span: Span,
        bag: Bag,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.cls = cls
        self.node = node
        self.owner = owner
        self.span = span
        self.bag = bag
        self.notes = notes

    def add(self, violation: Violation) -> None:
        if violation.kind == "unknown":
            for name in violation.names:
                self._unknown(name, violation)
        elif violation.kind == "missing":
            self._missing(violation)
        else:
            self._value(violation)

    def _unknown(self, name: str, violation: Violation) -> None:
        owner = self._owner(violation.path)
        mapping = locate(self.node, violation.path)
        key = mapping.key(name) if isinstance(mapping, Mapping) else None
        span = key.span if key is not None else mapping.span
        fields = list(violation.schema["properties"])
        if not violation.path:
            fields += _lists(self.cls)
            if name in _shared(self.cls):
                self._misplaced(name, span)
                return
        meant = meant_field(name, fields)
        if meant and ":" in name:
            value = name.partition(":")[2].strip()
            help = f"put a space after `:`, as in `{meant}: {value or '…'}`"
        elif meant:
            help = f"did you mean `{meant}`?"
        elif not violation.path and (place := place_within(self.cls, name)):
            help = f"it belongs {place}"
        elif name == "momentum" and "decay" in fields:
            help = "`decay` is the `momentum` of Keras, and 1 minus that of PyTorch"
        elif name in _INFERRED:
            help = "leave it out: it follows from the input"
        elif fields:
            help = f"{owner} takes {', '.join(fields)}"
        else:
            help = f"{owner} takes no fields"
        self.bag.add(
            "CS106", f"unknown field `{name[:60]}` of {owner}", span, help=help
        )

    def _misplaced(self, name: str, span: Span) -> None:
        bare = self.owner.strip("`")
        value = self.node.get(name)
        text = value.text if isinstance(value, Scalar) else "…"
        self.bag.add(
            "CS108",
            f"`{name}` belongs beside {self.owner}, not in it",
            span,
            help=f"write it under `{bare}`, as far to the left:\n"
            f"- {bare}: {{…}}\n  {name}: {text}",
        )

    def _missing(self, violation: Violation) -> None:
        known = violation.schema.get("properties", {})
        meant = {
            meant_field(key, list(known)) for key in violation.value if key not in known
        }
        names = [name for name in violation.names if name not in meant]
        if not names:
            return  # misspelt, and reported as unknown
        span = self.span if not violation.path else self._span(violation.path)
        docs = [
            f"`{name}`: {self.cls.fields[name].doc.rstrip('.')}"
            for name in names
            if not violation.path
        ]
        self.bag.add(
            "CS109",
            f"{self._owner(violation.path)} needs {listed(names)}",
            span,
            help="\n".join(docs) or None,
        )

    def _value(self, violation: Violation) -> None:
        path, value = violation.path, violation.value
        node = locate(self.node, path)
        label, help = _received(node, value, violation.schema)
        self.bag.add(
            "CS107",
            f"{_named(path, self.owner)} must be {wanted(violation.schema, value)}",
            node.span,
            label,
            notes=self.notes,
            help=_as_layer(path, value) or help or self._default_help(path, value),
        )

    def _default_help(self, path: Path, value: Any) -> str | None:
        """Nothing where something is wanted: the default needs no key."""
        field = self.cls.fields.get(str(path[0])) if len(path) == 1 else None
        if (
            value is not None
            or field is None
            or field.required
            or field.default is None
        ):
            return None
        return f"leave it out for its default, `{shown(field.default)}`"

    def _owner(self, path: Path) -> str:
        keys = [key for key in path if isinstance(key, str)]
        return f"`{keys[-1]}`" if keys else self.owner

    def _span(self, path: Path) -> Span:
        """Of the key at a path's end, or of the value where it ends in an index."""
        parent = locate(self.node, path[:-1])
        if isinstance(parent, Mapping):
            key = parent.key(str(path[-1]))
            if key is not None:
                return key.span
        return locate(self.node, path).span


def locate(node: Node, path: Path) -> Node:
    """The node at a path; the last one on it where an expression stands for a whole list."""
    for step in path:
        inner: Node | None = None
        if isinstance(node, Mapping):
            inner = node.get(str(step))
        elif isinstance(node, Sequence) and isinstance(step, int):
            inner = node.items[step]
        if inner is None:
            return node
        node = inner
    return node


def _named(path: Path, owner: str) -> str:
    """What stands at a path: item 2 of `kernel` of `conv`."""
    keys = [key for key in path if isinstance(key, str)]
    if not keys:
        return owner
    name = f"`{keys[-1]}` of {f'`{keys[-2]}`' if len(keys) > 1 else owner}"
    last = path[-1]
    return f"item {last + 1} of {name}" if isinstance(last, int) else name


def _no_mapping(cls: type[Declared], node: Node, owner: str, bag: Bag) -> None:
    value = read_value(node, Bag())
    bare = owner.strip("`")
    if isinstance(node, Scalar) and value is not None and not value.dynamic:
        gets = received(value.tree)
    else:
        gets = node.kind
    if not cls.fields:
        message, help = f"{owner} takes no fields", f"write `{bare}`"
    else:
        message = f"{owner} takes a mapping of fields"
        needed = [name for name, field in cls.fields.items() if field.required]
        names = needed or list(cls.fields)[:1]
        if isinstance(node, Scalar) and re.match(r"\w+:\S", node.text):
            bag.add(
                "CS103",
                message,
                node.span,
                f"gets {gets}",
                help="put a space after each `:`",
            )
            return
        values = dict.fromkeys(names, "…")
        if value is not None and _fits(cls, names[0], value.tree):
            values[names[0]] = shown(value.tree)
        fields = ", ".join(f"{name}: {text}" for name, text in values.items())
        help = f"write `{owner.strip('`')}: {{{fields}}}`"
        if not owner.startswith("`"):
            help = f"write `{{{fields}}}`"
    bag.add("CS103", message, node.span, f"gets {gets}", help=help)


def _fits(cls: type[Declared], name: str, plain: Any) -> bool:
    try:
        cls.fields[name].accept(plain)
    except Refused:
        return False
    return True


def _refused(
    cls: type[Declared],
    node: Mapping,
    plain: dict[str, Any],
    owner: str,
    span: Span,
    bag: Bag,
    notes: tuple[str, ...] = (),
) -> None:
    """What a parser refused though its schema takes it: less is known, but it is said."""
    for key, child in node.items:
        value = plain[key.text]
        if not isinstance(value, Name) and not _fits(cls, key.text, value):
            message = f"`{key.text}` of {owner} does not take this value"
            label = f"gets {received(value)}"
            bag.add("CS107", message, child.span, label, notes=notes)
            return
    bag.add("CS107", f"{owner} does not take these fields", span, notes=notes)


def _received(node: Node, value: Any, schema: Schema) -> tuple[str, str | None]:
    """What stands at a node that has the wrong value, and how to put it right."""
    if isinstance(node, Sequence):
        needed = schema.get("required") if schema.get("type") == "object" else None
        help = f"write `{{{needed[0]}: […]}}`" if needed else None
        return f"gets {list_of(len(node.items))}", help
    if not isinstance(node, Scalar) or node.kind != "an expression":
        quoted = isinstance(node, Scalar) and not node.plain
        return f"gets {received(value)}", help_for(value, schema, quoted)
    if value is None:
        return "gets an expression", "names of layers are written as they are"
    return f"evaluates to {received(value)}", _expression_help(node.text, value)


def _as_layer(path: Path, value: Any) -> str | None:
    """For a function that is an operation, but no value of `activation`."""
    if path != ("activation",) or type(value) is not str:
        return None
    from cnnspec.layers import OPERATIONS
    from cnnspec.plugins import Unusable, installed

    try:
        operation = OPERATIONS.get(value) or installed(value)
    except Unusable:
        return None
    if operation is None or not operation.activates:
        return None
    return f"write `- {value}` as a layer after it"


def _expression_help(text: str, value: Any) -> str | None:
    if not isinstance(value, float):
        return None
    if "/" in text.replace("//", ""):
        return "`//` divides integers to an integer"
    return "`floor`, `round` and `ceil` give integers"


def _shared(cls: type[Declared]) -> tuple[str, ...]:
    """Keys that may stand beside an operation or a container."""
    from cnnspec.containers import CONTAINERS
    from cnnspec.layers.layer import Layer
    from cnnspec.shared import SHARED

    if issubclass(cls, Layer):
        return tuple([key for key in SHARED if key != "init" or cls.takes_init])
    return SHARED if cls in CONTAINERS.values() else ()


def _lists(cls: type[Declared]) -> list[str]:
    """A container's keys that hold layers (a head's name): they are read apart."""
    from cnnspec.containers import CONTAINERS, LISTS

    own = [key for op, kind in CONTAINERS.items() if kind is cls for key in LISTS[op]]
    return ["name", *own] if cls is CONTAINERS["head"] else own
