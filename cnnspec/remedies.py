"""Faults with possible remedies enter; the help of what really mends them leaves.

A remedy is a change of an operation's fields. It is made on the tree, the spec is checked
again, and it is offered only if this fault is gone and no new one has come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.diagnostics import ERROR, Bag, Diagnostic
from cnnspec.spec import Entry, Operation
from cnnspec.yamltree import Mapping, Node, Scalar, Sequence, replace

if TYPE_CHECKING:
    from cnnspec.expand import Fault
    from cnnspec.layers.layer import Remark, Remedy
    from cnnspec.source import Span

MAX_TRIALS = (
    40  # a trial is a whole check: bounded, so that no report takes over a second
)
MAX_OFFERED = 3


class _Key(NamedTuple):
    code: str
    span: Span


def place(remark: Remark, entry: Entry) -> Span:
    """The smallest span that shows the fault: the field's value, else the operation."""
    # From the entry's own node: `given` may be shared with an entry that says the same.
    fields = entry.node.get(entry.key) if isinstance(entry.node, Mapping) else None
    if remark.field is not None and isinstance(fields, Mapping):
        value = fields.get(remark.field)
        if value is not None:
            return value.span
    return entry.key_span


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
    trials = max(3, min(MAX_TRIALS, 20_000 // max(size, 1)))
    before = bag.sorted()
    helps: dict[_Key, str] = {}
    for fault in faults:
        key = _Key(fault.remark.code, place(fault.remark, fault.entry))
        if key in helps:
            continue
        fitting: list[str] = []
        for remedy in fault.remark.remedies:
            if trials == 0 or len(fitting) == MAX_OFFERED:
                break
            trials -= 1
            changed = _apply(root, fault.entry, remedy)
            if changed is not None and _mends(key, before, check(changed).sorted()):
                fitting.append(remedy.text)
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


def _apply(root: Mapping, entry: Entry, remedy: Remedy) -> Mapping | None:
    if not isinstance(entry, Operation):
        return None
    node = entry.node
    if isinstance(node, Scalar):
        fields = Mapping(node.span, (), True)
        for field, value in remedy.changes.items():
            fields = fields.with_item(field, _node(value, node.span))
        key = Scalar(node.span, node.text, node.text, True)
        changed = replace(root, node, Mapping(node.span, ((key, fields),), False))
    else:
        assert isinstance(node, Mapping)
        old = node.get(entry.key)
        fields = old if isinstance(old, Mapping) else Mapping(node.span, (), True)
        for field, value in remedy.changes.items():
            standing = fields.get(field)
            span = standing.span if standing is not None else entry.key_span
            fields = fields.with_item(field, _node(value, span))
        changed = replace(root, node, node.with_item(entry.key, fields))
    return changed if isinstance(changed, Mapping) else None


def _node(value: Any, span: Span) -> Node:
    """A value as it would stand in the spec."""
    if isinstance(value, list | tuple):
        return Sequence(span, tuple(_node(item, span) for item in value), True)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return Scalar(span, text, value, not isinstance(value, str))
