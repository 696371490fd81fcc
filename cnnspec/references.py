"""Entries get their names, and names in entries find what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from cnnspec.diagnostics import Label
from cnnspec.spec import (
    INPUT,
    Body,
    Broken,
    Entry,
    Head,
    InputDefinition,
    Operation,
    Part,
    Reference,
    Reuse,
    Spec,
    Use,
    entries_of,
)
from cnnspec.suggest import did_you_mean
from cnnspec.yamltree import Mapping

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.source import Span

Target: TypeAlias = Entry | Part | InputDefinition


def name_entries(body: Body, taken: set[str], bag: Bag) -> None:
    """Gives every entry of a definition its name: the author's, or its operation's.

    An operation that several unnamed entries share gets an ordinal (`conv1`, `conv2`; `_2`
    after a digit), dropped entries included, so that a condition does not rename layers.

    Args:
        taken: names of arguments and local values (or inputs), which share the namespace.
    """
    entries = entries_of(body)
    owners: dict[str, Span] = {}
    count: dict[str, int] = {}
    for entry in entries:
        if entry.named:
            _own(entry.name, _name_span(entry), taken, owners, bag)
        else:
            count[entry.key] = count.get(entry.key, 0) + 1
        if isinstance(entry, Operation):
            for part in entry.parts:
                _own(part.name, part.span, taken, owners, bag)
    used = {*taken, *owners}
    ordinal: dict[str, int] = {}
    for entry in entries:
        if entry.named:
            continue
        if count[entry.key] == 1 and entry.key not in used:
            entry.name = entry.key
        else:
            link = "_" if entry.key[-1:].isdigit() else ""
            number = ordinal.get(entry.key, 0) + 1
            while f"{entry.key}{link}{number}" in used:
                number += 1
            ordinal[entry.key] = number
            entry.name = f"{entry.key}{link}{number}"
        used.add(entry.name)


def _own(
    name: str, span: Span, taken: set[str], owners: dict[str, Span], bag: Bag
) -> None:
    """Takes a name that the author gives, where nothing else has it."""
    if name in taken:
        bag.add(
            "CS214",
            f"`{name}` is an argument, a local value or an input already",
            span,
            help="layers share one namespace with them: give this layer another name",
        )
    elif name in owners:
        bag.add(
            "CS216",
            f"two layers are named `{name}`",
            span,
            related=(Label(owners[name], "the first one"),),
            help="a name is unique in its block, nested lists included",
        )
    else:
        owners[name] = span


def _name_span(entry: Entry) -> Span:
    node = entry.node
    if isinstance(entry, Head) and isinstance(node, Mapping):
        inner = node.get("head")
        node = inner if isinstance(inner, Mapping) else node
    found = node.get("name") if isinstance(node, Mapping) else None
    return found.span if found is not None else entry.key_span


class _Scope:
    """Names seen from a list: its own earlier entries, and those of the lists around it."""

    __slots__ = ("names", "outer")

    def __init__(self, outer: _Scope | None) -> None:
        self.names: dict[str, Target] = {}
        self.outer = outer

    def find(self, name: str) -> Target | None:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None

    def all(self) -> list[str]:
        outer = self.outer.all() if self.outer else []
        return [*outer, *self.names]


class _Resolver:
    """Walks one definition; `elsewhere` explains a name that stands in another list."""

    __slots__ = ("bag", "elsewhere")

    def __init__(self, body: Body, bag: Bag) -> None:
        self.bag = bag
        self.elsewhere = {entry.name: entry for entry in entries_of(body)}

    def visit(self, body: Body, scope: _Scope) -> None:
        for entry in body:
            self._resolve(entry, scope)
            for inner in entry.lists():
                self.visit(inner, _Scope(scope))
            scope.names[entry.name] = entry
            if isinstance(entry, Operation):
                scope.names.update({part.name: part for part in entry.parts})

    def _resolve(self, entry: Entry, scope: _Scope) -> None:
        if entry.source is not None:
            self.find(entry.source, scope)
        if isinstance(entry, Operation):
            for reference in entry.edges:
                self.find(reference, scope)
        elif isinstance(entry, Reuse):
            self.find(entry.target, scope, reads=False)
            if entry.target.target is not None:
                self._take_up(entry)

    def _take_up(self, entry: Reuse) -> None:
        """Tells the layer that it is reused, where it may be (else CS224)."""
        target, name = entry.target.target, entry.target.name
        entry.target.target = None
        why = _unfit(target)
        if why is None:
            assert isinstance(target, Operation | Use)
            entry.target.target = target
            target.reuses = (*target.reuses, entry)
        elif why:
            span = target.key_span if isinstance(target, Entry) else None
            self.bag.add(
                "CS224",
                f"`{name}` can't be reused",
                entry.target.span,
                related=(Label(span, why),) if span else (),
                help="an operation or a block with one input and one output, without "
                "`repeat` and `when`, can: put the layers into a block",
            )

    def find(self, reference: Reference, scope: _Scope, reads: bool = True) -> None:
        target = scope.find(reference.name)
        if target is not None:
            reference.target = target
            if reads and isinstance(target, Entry):
                target.referenced = True
            return
        known = scope.all()
        other = self.elsewhere.get(reference.name)
        related: tuple[Label, ...] = ()
        if other is not None:
            related = (Label(_name_span(other), "it stands here"),)
            help = (
                "a layer can read what stands before it, in its own list or in a list around "
                "it; branches don't see each other"
            )
            message = f"`{reference.name}` can't be seen from here"
        else:
            message = f"no layer is named `{reference.name[:60]}`"
            meant = did_you_mean(reference.name, known)
            shown = ", ".join(known[-12:])
            help = f"did you mean `{meant}`?" if meant else f"seen from here: {shown}"
        self.bag.add("CS217", message, reference.span, help=help, related=related)


def _unfit(target: Target | None) -> str | None:
    """Why it can't be reused; empty where that is reported elsewhere, None where it can."""
    if isinstance(target, Broken):
        return ""
    if not isinstance(target, Operation | Use):
        return "is no operation and no block"
    if target.repeat is not None or target.when is not None:
        return f"has `{'repeat' if target.repeat is not None else 'when'}`"
    if isinstance(target, Operation):
        if target.edges:
            return "has several inputs"
        if target.parts:
            return "has several outputs"
    return None


def resolve_references(body: Body, spec: Spec | None, bag: Bag) -> None:
    """Finds what `from`, `with` and `outputs` mean; `spec` at top level, None in a block."""
    scope = _Scope(None)
    if spec is None or len(spec.inputs) < 2:
        scope.names["input"] = INPUT
    if spec is not None:
        scope.names.update({i.name: i for i in spec.inputs if i.name != "input"})
        if body and body[0].source is None and len(spec.inputs) > 1:
            bag.add(
                "CS218",
                "the first layer of a model with several inputs needs `from`",
                body[0].key_span,
                help=f"write `from: {spec.inputs[0].name}` beside `{body[0].key}`",
            )
    resolver = _Resolver(body, bag)
    resolver.visit(body, scope)
    for reference in (spec.outputs or ()) if spec else ():
        resolver.find(reference, scope)
