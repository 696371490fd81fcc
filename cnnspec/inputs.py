"""`input:` or `inputs:` enters, the model's inputs with their shapes leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cnnspec.declared import read_declared
from cnnspec.fields import Declared, Integer
from cnnspec.names import check_name
from cnnspec.shapes import MAPS, SEQUENCE, TOKENS, VECTOR, Shape
from cnnspec.spec import InputDefinition, Variables
from cnnspec.suggest import did_you_mean
from cnnspec.yamltree import Mapping, Node

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.source import Span


class InputKind(Declared):
    """A kind of input; which one a mapping is its keys tell."""

    noun: ClassVar[str]
    layout: ClassVar[str] = MAPS

    def shape(self) -> Shape:
        return Shape(self.layout, tuple(self.values.values()))


def _channels() -> Integer:
    return Integer(least=1, doc="Numbers per position, such as 3 for RGB.")


class Image(InputKind):
    """An image: maps of (C, H, W)."""

    noun = "image"
    channels = _channels()
    height = Integer(least=1, doc="Rows H.", unit="pixels")
    width = Integer(least=1, doc="Columns W.", unit="pixels")


class Signal(InputKind):
    """A signal in time or along a line: maps of (C, L)."""

    noun = "signal"
    channels = _channels()
    length = Integer(least=1, doc="Samples L.", unit="samples")


class Volume(InputKind):
    """A volume or a video: maps of (C, D, H, W)."""

    noun = "volume"
    channels = _channels()
    depth = Integer(least=1, doc="Slices or frames D.", unit="slices")
    height = Integer(least=1, doc="Rows H.", unit="pixels")
    width = Integer(least=1, doc="Columns W.", unit="pixels")


class Vector(InputKind):
    """A vector: (F)."""

    noun = "vector"
    layout = VECTOR
    features = Integer(least=1, doc="Numbers F.")


class Sequence(InputKind):
    """A sequence of vectors: (L, F)."""

    noun = "sequence"
    layout = SEQUENCE
    length = Integer(least=1, doc="Positions L.", unit="positions")
    features = Integer(least=1, doc="Numbers F at each position.")


class Tokens(InputKind):
    """A sequence of token ids: (L)."""

    noun = "tokens"
    layout = TOKENS
    length = Integer(least=1, doc="Tokens L of a sequence.", unit="tokens")
    vocabulary = Integer(least=1, doc="Number of different token ids.")

    def shape(self) -> Shape:
        return Shape(TOKENS, (self.values["length"],), self.values["vocabulary"])


KINDS: tuple[type[InputKind], ...] = (
    Image,
    Signal,
    Volume,
    Vector,
    Sequence,
    Tokens,
)


def read_inputs(
    root: Mapping, misspelt: set[str], variables: Variables, bag: Bag
) -> tuple[InputDefinition, ...]:
    """The inputs in order; a shape is None where it could not be read.

    Args:
        misspelt: keys of the spec that are there, though misspelt.
    """
    one, several = root.get("input"), root.get("inputs")
    if one is not None and several is not None:
        key = root.key("inputs")
        assert key is not None
        bag.add("CS116", "a spec has `input` or `inputs`, not both", key.span)
    if one is not None:
        key = root.key("input")
        assert key is not None
        return (
            InputDefinition("input", key.span, _read(one, key.span, variables, bag)),
        )
    if several is None:
        if misspelt & {"input", "inputs"}:
            return ()
        start = root.items[0][0].span if root.items else root.span
        bag.add(
            "CS102",
            "the spec has no `input`",
            start,
            help="add `input: {channels: 3, height: 32, width: 32}`",
        )
        return ()
    if isinstance(several, Mapping) and _is_one(several):
        key = root.key("inputs")
        assert key is not None
        bag.add(
            "CS103",
            "a single input stands under `input`",
            key.span,
            "its sizes stand where inputs have names",
            help="write `input:` in its place",
        )
        return (InputDefinition("input", key.span, None),)
    if not isinstance(several, Mapping) or not several.items:
        bag.add(
            "CS103",
            "`inputs` takes a mapping of names to inputs",
            several.span,
            f"gets {several.kind if not isinstance(several, Mapping) else 'an empty one'}",
            help="write `inputs: {left: {channels: 3, height: 32, width: 32}, right: …}`",
        )
        return ()
    for key, _ in several.items:
        check_name(key.text, "input", key.span, bag)
    return tuple(
        InputDefinition(key.text, key.span, _read(node, key.span, variables, bag))
        for key, node in several.items
    )


def _is_one(several: Mapping) -> bool:
    """Whether the sizes of an input stand where the inputs' names should."""
    sizes = {name for kind in KINDS for name in kind.fields}
    return any(
        key.text in sizes and not isinstance(node, Mapping)
        for key, node in several.items
    )


def _read(node: Node, span: Span, variables: Variables, bag: Bag) -> Shape | None:
    if not isinstance(node, Mapping):
        bag.add(
            "CS103",
            "an input takes a mapping of sizes",
            node.span,
            f"gets {node.kind}",
            help="write `{channels: 3, height: 32, width: 32}`",
        )
        return None
    keys = {key.text for key, _ in node.items}
    exact = next((k for k in KINDS if keys == set(k.fields)), None)
    kind = exact or max(KINDS, key=lambda k: _likeness(k, keys))
    owner = f"an input ({kind.noun})" if keys & set(kind.fields) else "an input"
    found = read_declared(kind, node, owner, span, variables, bag)
    return found.shape() if found else None


def _likeness(kind: type[InputKind], keys: set[str]) -> float:
    """How well a mapping's keys fit a kind: the nearest one explains what is wrong."""
    missing, wrong = set(kind.fields) - keys, keys - set(kind.fields)
    misspelt = {did_you_mean(key, missing) for key in wrong} - {None}
    rest = len(missing) - len(misspelt)
    return len(kind.fields) - len(missing) - 0.5 * rest - 0.25 * len(wrong)
