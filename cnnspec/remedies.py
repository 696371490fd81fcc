"""Faults with possible remedies enter; the help of what really mends them leaves.

A remedy is a change of an operation's fields. It is made on the tree, the spec is checked
again, and it is offered only if this fault is gone and no new one has come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.diagnostics import ERROR, Bag, Diagnostic
from cnnspec.findings import setting
from cnnspec.merging import Edit
from cnnspec.yamltree import Mapping, Node, Scalar, Sequence, replace

if TYPE_CHECKING:
    from cnnspec.findings import Fault
    from cnnspec.layers.layer import Remark, Remedy
    from cnnspec.source import Span
    from cnnspec.spec import Entry

# A trial is a whole check: both bounds keep a report under a second.
MAX_TRIALS = 40
MAX_WORK = 30_000  # layers in all trials together
MAX_OFFERED = 3


class _Key(NamedTuple):
    code: str
    span: Span


def offer(
    root: Mapping,
    faults: list[Fault],
    bag: Bag,
    size: int,
    check: Callable[[Mapping], Bag],
) -> None:
    """Completes the help of diagnostics that have remedies.

    Args:
        size: layers in the network, which bounds the number of trials.
        check: checks a changed tree from the start, without remedies.
    """
    trials = min(MAX_TRIALS, MAX_WORK // max(size, 1))
    before = bag.sorted()
    helps: dict[_Key, str] = {}
    for fault in faults:
        key = _Key(fault.remark.code, fault.span)
        if key in helps:
            continue
        fitting: list[str] = []
        edits = [_edit(fault, remedy) for remedy in fault.remark.remedies]
        for text, fields in edits + fault.edits:
            if trials == 0 or len(fitting) == MAX_OFFERED:
                break
            trials -= 1
            changed = _changed(root, fields)
            if _mends(key, before, check(changed).sorted()):
                fitting.append(text)
        if not fitting and trials and (fewer := _fewer_rounds(root, fault)) is not None:
            trials -= 1
            changed, text = fewer
            if _mends(key, before, check(changed).sorted()):
                fitting.append(text)
        helps[key] = _sentence(fault.remark, fitting)
    if any(helps.values()):
        bag.replace([_with_help(d, helps.get(_Key(d.code, d.span))) for d in before])


def _with_help(diagnostic: Diagnostic, help: str | None) -> Diagnostic:
    return diagnostic._replace(help=help) if help else diagnostic


def _sentence(remark: Remark, fitting: list[str]) -> str:
    if not fitting:
        return remark.lead or remark.help or ""
    if len(fitting) == 1:
        offered = f"{fitting[0]} fits"
    else:
        offered = f"{', '.join(fitting[:-1])} or {fitting[-1]} fit"
    return f"{remark.lead}; {offered}" if remark.lead else offered


def _mends(key: _Key, before: list[Diagnostic], after: list[Diagnostic]) -> bool:
    """The fault is gone, and nothing is wrong now that was not wrong before.

    Spans don't move: the change is made on the tree, not in the text.
    """
    if any((d.code, d.span) == key for d in after):
        return False
    known = {(d.code, d.span) for d in before}
    severities = {d.severity for d in before if (d.code, d.span) == key}
    limit = ERROR if ERROR in severities else None
    return not any(
        (d.code, d.span) not in known and (limit is None or d.severity == limit)
        for d in after
    )


def _edit(fault: Fault, remedy: Remedy) -> Edit:
    """The change where its fields are set, as the author would call it."""
    changes: dict[Entry, dict[str, Any]] = {}
    text = remedy.text
    for field, value in remedy.changes.items():
        place = setting(fault.entry, field, fault.scope)
        changes.setdefault(place.entry, {})[place.field] = value
        text = text.replace(field, place.field, 1)
    return Edit(text, tuple(changes.items()))


def _changed(root: Mapping, edits: tuple[tuple[Entry, dict[str, Any]], ...]) -> Mapping:
    """A copy of the tree; what is inside a changed entry must come after it."""
    tree: Node = root
    for entry, fields in edits:
        tree = replace(tree, entry.node, _with_fields(entry, fields))
    assert isinstance(tree, Mapping)
    return tree


def _fewer_rounds(root: Mapping, fault: Fault) -> tuple[Mapping, str] | None:
    """The rounds before the fault, where it stands in a repeated block that began well."""
    scope = fault.scope
    while scope.parent is not None and not (scope.round and scope.round[0]):
        scope = scope.parent
    use = scope.use
    if use is None or scope.round is None or not isinstance(use.node, Mapping):
        return None
    rounds = scope.round[0]
    item = use.node.with_item("repeat", _node(rounds, use.key_span))
    changed = replace(root, use.node, item)
    assert isinstance(changed, Mapping)
    return changed, f"repeat {rounds} of `{use.key}`"


def _with_fields(entry: Entry, changes: dict[str, Any]) -> Mapping:
    """An item of a list of layers with these fields of its operation or block."""
    node, span = entry.node, entry.key_span
    item = node if isinstance(node, Mapping) else Mapping(node.span, (), False)
    old = item.get(entry.key)
    fields = old if isinstance(old, Mapping) else Mapping(span, (), True)
    for field, value in changes.items():
        standing = fields.get(field)
        fields = fields.with_item(
            field, _node(value, standing.span if standing is not None else span)
        )
    return item.with_item(entry.key, fields)


def _node(value: Any, span: Span) -> Node:
    """A value as it would stand in the spec."""
    if isinstance(value, list | tuple):
        return Sequence(span, tuple(_node(item, span) for item in value), True)
    if isinstance(value, dict):
        items = [(Scalar(span, k, k, True), _node(v, span)) for k, v in value.items()]
        return Mapping(span, tuple(items), True)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return Scalar(span, text, value, not isinstance(value, str))
