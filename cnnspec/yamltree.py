"""YAML text enters; a tree of nodes that know their places leaves.

YAML 1.2's core schema (yaml.org/spec/1.2.2, section 10.3) over libyaml's event stream:
PyYAML's resolver follows YAML 1.1, and its composer recurses as deep as the text does.
What readers of 1.1 and 1.2 understand differently is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from cnnspec.source import Span, find_hidden

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.source import SourceFile

MAX_DEPTH = 64
MAX_NODES = 300_000
MAX_ALIASED = 100_000
MAX_FAULTS = 50
MAX_DIGITS = 100

Value: TypeAlias = bool | int | float | str | None

# libyaml where PyYAML was built with it; the pure parser gives the same events, slowly.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONSTANTS: dict[str, Value] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_STARTS = frozenset("0123456789+-.")
_NUMBER_CHARACTERS = frozenset("0123456789+-.eE")
# A NamedTuple's own constructor takes twice the time, and each scalar has a span.
_new = tuple.__new__
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


class Scalar:
    """One value.

    Args:
        span: where it stands, quotes included.
        text: the characters as YAML gives them: `1.10` stays `1.10`.
        value: what the core schema makes of an unquoted text, else the text.
        plain: written without quotes, and not as a block (`|`, `>`).
    """

    __slots__ = ("plain", "span", "text", "value")

    def __init__(self, span: Span, text: str, value: Value, plain: bool) -> None:
        self.span = span
        self.text = text
        self.value = value
        self.plain = plain

    @property
    def kind(self) -> str:
        """What it is, for messages: `an integer`, `text`, `an expression`, ..."""
        value = self.value
        if isinstance(value, str):
            marked = self.text.startswith("$") and not self.text.startswith("$$")
            return "an expression" if marked else "text"
        if isinstance(value, bool):
            return "a boolean"
        if value is None:
            return "nothing"
        return "an integer" if isinstance(value, int) else "a number"


class Sequence:
    """A list; `flow` where it is written in brackets."""

    __slots__ = ("flow", "items", "span")
    kind = "a list"

    def __init__(self, span: Span, items: tuple[Node, ...], flow: bool) -> None:
        self.span = span
        self.items = items
        self.flow = flow


class Mapping:
    """Keys and values in the order of the file; `flow` where it stands in braces."""

    __slots__ = ("_values", "flow", "items", "span")
    kind = "a mapping"

    def __init__(
        self, span: Span, items: tuple[tuple[Scalar, Node], ...], flow: bool
    ) -> None:
        self.span = span
        self.items = items
        self.flow = flow
        self._values = {key.text: value for key, value in items}

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> Node | None:
        """The value under a key, None where the key is absent."""
        return self._values.get(key)

    def key(self, key: str) -> Scalar | None:
        """The key as a node, for its span."""
        return next((found for found, _ in self.items if found.text == key), None)

    def with_item(self, key: str, value: Node) -> Mapping:
        """A copy with this value under the key, at the end where the key is new."""
        if key in self._values:
            items = tuple((k, value if k.text == key else v) for k, v in self.items)
        else:
            items = (*self.items, (Scalar(value.span, key, key, True), value))
        return Mapping(self.span, items, self.flow)


Node: TypeAlias = Scalar | Sequence | Mapping

# What encloses an open collection: its parent's nodes, its opening event, the number of
# nodes before it, the parent's levels so far.
_Open: TypeAlias = tuple[list[Node], Any, int, int]


def replace(root: Node, old: Node, new: Node) -> Node:
    """A copy of the tree with `new` wherever the very object `old` stands.

    Subtrees without it are shared with the original, not copied.
    """
    done: dict[int, Node] = {id(old): new}

    def visit(node: Node) -> Node:
        found = done.get(id(node))
        if found is not None:
            return found
        result: Node = node
        if isinstance(node, Sequence):
            entries = tuple(visit(item) for item in node.items)
            if any(a is not b for a, b in zip(entries, node.items, strict=True)):
                result = Sequence(node.span, entries, node.flow)
        elif isinstance(node, Mapping):
            pairs = tuple((key, visit(value)) for key, value in node.items)
            if any(a[1] is not b[1] for a, b in zip(pairs, node.items, strict=True)):
                result = Mapping(node.span, pairs, node.flow)
        done[id(node)] = result
        return result

    return visit(root)


def parse(source: SourceFile, bag: Bag) -> Mapping | None:
    """Reads a document whose root is a mapping.

    Bounded: 64 levels, 300,000 nodes and 100,000 more through aliases, in one loop
    without recursion.

    Returns: the root, or None where the bag has an error, an earlier one included.
    """
    if bag.has_errors:
        return None
    reading = _Reading(source, bag)
    try:
        root = reading.run()
    except yaml.YAMLError as error:
        root = None
        if not reading.cuts:
            from cnnspec.yamlsyntax import syntax

            syntax(bag, source, error, reading.last)
    if reading.cuts:
        # What stands after a cut expression follows from it: stray keys, doubled ones,
        # broken syntax.
        first = min(reading.cuts)
        bag.replace(
            [d for d in bag.sorted() if d.span < first or d.span in reading.cuts]
        )
    if bag.has_errors:
        return None
    if not isinstance(root, Mapping):
        reading.faults.wrong_root(bag, root)
        return None
    return root


class _Reading:
    """The loop over one file's events, and what it found wrong."""

    __slots__ = ("anchors", "bag", "cuts", "found", "last", "source")

    def __init__(self, source: SourceFile, bag: Bag) -> None:
        self.source = source
        self.bag = bag
        # Name -> node, number of nodes in it, levels in it; None while it is open.
        self.anchors: dict[str, tuple[Node, int, int] | None] = {}
        self.cuts: list[Span] = []
        self.found = 0
        self.last: Any = None  # the last scalar's event

    @property
    def faults(self) -> ModuleType:
        """The messages, imported by the first mistake; each use counts as one more."""
        from cnnspec import yamlfaults

        self.found += 1
        return yamlfaults

    def run(self) -> Node | None:
        """The document's root; None where there is none or a limit was passed."""
        loader = _LOADER(self.source.text)
        try:
            return self._loop(loader.get_event)
        finally:
            loader.dispose()

    def _loop(self, get_event: Callable[[], Any]) -> Node | None:
        # `items` collects the open collection's nodes (keys and values in turn),
        # `height` counts the levels below it, `stack` keeps what encloses it. `count`
        # numbers the nodes with what aliases repeat: a difference is an anchor's size.
        document: list[Node] = []
        items = document
        stack: list[_Open] = []
        count = aliased = height = 0
        scalar_event = yaml.ScalarEvent
        starts = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
        ends = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
        while self.found <= MAX_FAULTS:
            event = get_event()
            kind = type(event)
            if kind is scalar_event:
                items.append(self._scalar(event, stack))
                count += 1
            elif kind in ends:
                parent, opening, before, above = stack.pop()
                node = self._collection(items, opening, event)
                height += 1
                if opening.anchor:
                    self.anchors[opening.anchor] = (node, count - before, height)
                height = max(height, above)
                items = parent
                items.append(node)
            elif kind in starts:
                if len(stack) == MAX_DEPTH:
                    self.faults.too_deep(self.bag, _span(event), MAX_DEPTH)
                    return None
                if event.tag:
                    self.faults.tag(self.bag, event.tag, _span(event))
                if event.anchor:
                    self.anchors[event.anchor] = None
                stack.append((items, event, count, height))
                items = []
                height = 0
                count += 1
            elif kind is yaml.AliasEvent:
                node, size, levels = self._alias(event)
                count += size
                aliased += size
                if aliased > MAX_ALIASED:
                    self.faults.too_many_aliases(self.bag, _span(event), MAX_ALIASED)
                    return None
                if len(stack) + levels > MAX_DEPTH:
                    self.faults.too_deep(self.bag, _span(event), MAX_DEPTH)
                    return None
                height = max(height, levels)
                items.append(node)
            elif kind is yaml.DocumentStartEvent:
                if document:
                    self.faults.second_document(self.bag, _span(event))
                    return None
                if event.version or event.tags:
                    self.faults.directive(self.bag, _span(event))
            elif kind is yaml.StreamEndEvent:
                break
            if count - aliased > MAX_NODES:
                self.faults.too_many_nodes(self.bag, _span(event), MAX_NODES)
                return None
        return document[0] if document else None

    def _scalar(self, event: Any, stack: list[_Open]) -> Scalar:
        text = event.value
        start, end = event.start_mark, event.end_mark
        span = _new(
            Span, (start.line + 1, start.column + 1, end.line + 1, end.column + 1)
        )
        self.last = event
        if event.tag:
            self.faults.tag(self.bag, event.tag, span)
        value: Value = text
        plain = event.implicit[0]
        if plain:
            if text[:1] in _NUMBER_STARTS:
                value = self._number(text, span)
            else:
                value = _CONSTANTS.get(text, text)
                if "(" in text and text.count("(") != text.count(")"):
                    begin = end.index - len(text) if event.anchor else start.index
                    in_flow = bool(stack) and stack[-1][1].flow_style
                    self._cut(begin, end.index, in_flow)
        elif not text.isprintable() and find_hidden(text) is not None:
            self.faults.hidden(self.bag, text, span)
        scalar = Scalar(span, text, value, plain)
        if event.anchor:
            self.anchors[event.anchor] = (scalar, 1, 0)
        return scalar

    def _number(self, text: str, span: Span) -> Value:
        """What a plain text is that begins like a number."""
        if len(text) <= MAX_DIGITS:
            digits = text[1:] if text[0] in "+-" else text
            if digits.isdecimal() and digits.isascii():
                if digits[0] != "0" or digits == "0":
                    return int(text)
            elif _NUMBER_CHARACTERS.issuperset(text):
                # Of these characters Python's float makes just what YAML's `float` is.
                try:
                    value = float(text)
                except ValueError:
                    pass
                else:
                    if abs(value) != float("inf"):
                        return value
            elif text[:2] == "0x" and text[2:] and _HEX_DIGITS.issuperset(text[2:]):
                return int(text, 16)
        from cnnspec.yamlfaults import odd_number

        odd = odd_number(text)
        if odd is None:
            return text
        self.faults.number(self.bag, text, span, odd)
        return None

    def _cut(self, start: int, end: int, in_flow: bool) -> None:
        """Reports a text whose parentheses YAML took apart."""
        from cnnspec.yamlfaults import cut

        span = cut(self.bag, self.source, start, end, in_flow)
        if span is not None:
            self.found += 1
            self.cuts.append(span)

    def _alias(self, event: Any) -> tuple[Node, int, int]:
        """The aliased node, how many nodes are in it, and how many levels."""
        span = _span(event)
        found = self.anchors.get(event.anchor)
        if found is None:
            inside = event.anchor in self.anchors
            self.faults.alias(self.bag, event.anchor, span, list(self.anchors), inside)
            return Scalar(span, "", None, True), 1, 0
        return found

    def _collection(self, items: list[Node], opening: Any, closing: Any) -> Node:
        start, end = opening.start_mark, closing.end_mark
        last = (end.line + 1, end.column + 1)
        if not opening.flow_style and items:
            # A block's end mark stands where the next token begins, lines further on.
            last = max(
                items[-1].span[2:], items[-2].span[2:] if len(items) > 1 else (0, 0)
            )
            last = last if last > (start.line + 1, start.column) else (end.line + 1, 1)
        span = Span(start.line + 1, start.column + 1, *last)
        if type(closing) is yaml.SequenceEndEvent:
            return Sequence(span, tuple(items), opening.flow_style)
        pairs = []
        nodes = iter(items)
        for key, value in zip(nodes, nodes, strict=True):
            if type(key) is Scalar and type(key.value) is str:
                if key.text == "<<" and key.plain:
                    self.faults.merge_key(self.bag, key)
                pairs.append((key, value))
            else:
                self.faults.wrong_key(self.bag, key)
        mapping = Mapping(span, tuple(pairs), opening.flow_style)
        if len(mapping) != len(pairs):
            self._duplicates(pairs)
        return mapping

    def _duplicates(self, pairs: list[tuple[Scalar, Node]]) -> None:
        first: dict[str, Scalar] = {}
        for key, _ in pairs:
            if self.found > MAX_FAULTS:
                return
            if key.text in first:
                self.faults.duplicate(self.bag, key, first[key.text])
            else:
                first[key.text] = key


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)
