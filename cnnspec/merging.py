"""What a container can't merge enters; the fault in its words, with changes to try, leaves."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.shapes import describe
from cnnspec.spec import Operation, Parallel, Residual, Use
from cnnspec.values import Unevaluable

if TYPE_CHECKING:
    from cnnspec.graph import Scope
    from cnnspec.layers.layer import Remark
    from cnnspec.shapes import Shape
    from cnnspec.spec import Body, Entry

MORE = "`cnnspec explain CS306` shows a pair that fits"
_MOST_STRIDE = 64  # of a shortcut that is proposed


class Edit(NamedTuple):
    """A change that may mend a fault: fields of entries, the outer entries first."""

    text: str
    fields: tuple[tuple[Entry, dict[str, Any]], ...]


def in_words(
    remark: Remark, entry: Residual | Parallel, shapes: list[Shape | None]
) -> Remark:
    """The remark of a container's own merge, told of its body, shortcut or branches.

    Args:
        shapes: what is merged: of the body and the shortcut, or of each branch.
    """
    port = remark.port or 0
    refused = shapes[port]
    if isinstance(entry, Residual):
        shortcut = "the shortcut" if entry.shortcut else "the identity shortcut"
        first, second = _pair(shapes[0], refused)
        message = f"the body gives {first}, {shortcut} {second}"
        label = "adds the two, which takes equal shapes"
    else:
        at = _compared(entry, shapes[:port])
        first, second = _pair(shapes[at], refused)
        message = f"branch {at + 1} gives {first}, branch {port + 1} {second}"
        label = (
            "`concat` takes shapes that are equal but for the channels"
            if entry.merge == "concat"
            else f"`{entry.merge}` takes equal shapes"
        )
    help = f"{remark.help}; {MORE}" if remark.help else MORE
    return remark._replace(message=message, label=label, help=help)


def _pair(first: Shape | None, second: Shape | None) -> tuple[str, str]:
    """Both shapes, with their kinds where these differ."""
    assert first is not None and second is not None
    if first.layout == second.layout:
        return str(first), str(second)
    return describe(first), describe(second)


def _compared(entry: Parallel, shapes: list[Shape | None]) -> int:
    """The branch whose shape the others must have: the largest so far, for small maps spread."""
    if entry.merge == "concat":
        return 0
    sizes = [shape.elements if shape else 0 for shape in shapes]
    return sizes.index(max(sizes))


def edits(
    entry: Residual | Parallel, shapes: list[Shape | None], scope: Scope
) -> list[Edit]:
    """Changes worth trying: padding in its convolutions, a projection as shortcut, or both."""
    if isinstance(entry, Parallel):
        return _padded([e for branch in entry.branches for e in branch], "the branches")
    padded = _padded(list(entry.body), "the body")
    found = list(padded)
    body, shortcut = shapes[:2]
    if entry.shortcut or body is None or shortcut is None or not shortcut.rank:
        return found
    if body.rank != shortcut.rank:
        return found
    pairs = zip(shortcut.spatial, body.spatial, strict=True)
    strides = [step for sizes in pairs if (step := _stride(*sizes))]
    if len(strides) == body.rank:
        stride = strides[0] if len(set(strides)) == 1 else strides
        found.append(_projection(entry, body, stride, scope))
    if padded and body.channels != shortcut.channels:
        both = _projection(entry, body, _steps(entry.body), scope)
        found.append(
            Edit(f"{padded[0].text} and {both.text}", both.fields + padded[0].fields)
        )
    return found


def _padded(body: list[Entry], where: str) -> list[Edit]:
    """`padding: same` in the windows of a list that have none."""
    bare = [
        entry
        for entry in body
        if isinstance(entry, Operation)
        and {"kernel", "padding"} <= entry.op.fields.keys()
        and "padding" not in entry.given
    ]
    if not bare:
        return []
    same = {"padding": "same"}
    kinds = " and ".join(dict.fromkeys(f"`{entry.key}`" for entry in bare))
    text = f"`padding: same` in {kinds} of {where}"
    return [Edit(text, tuple((entry, same) for entry in bare))]


def _stride(size: int, wanted: int) -> int | None:
    """The step with which windows of one pixel make `wanted` of `size`; None without one."""
    steps = range(1, _MOST_STRIDE + 1)
    return next((step for step in steps if (size - 1) // step + 1 == wanted), None)


def _steps(body: Body) -> int:
    """How far apart the outputs of a list of layers are, in its inputs."""
    layers = [e.layer for e in body if isinstance(e, Operation) and e.layer]
    strides = [layer.values.get("stride") for layer in layers]
    return prod(stride for stride in strides if isinstance(stride, int))


def _projection(
    entry: Residual, body: Shape, stride: int | list[int], scope: Scope
) -> Edit:
    """A shortcut of one convolution with a kernel of 1, in the terms of the body."""
    filters = _written(entry.body, "", body.channels, scope)
    step = _written(entry.body, "stride", stride, scope)
    fields = {"filters": filters, "kernel": 1}
    if step != 1:
        fields["stride"] = step
    item: dict[str, Any] = {"conv": fields}
    shown = ", ".join(f"{name}: {value}" for name, value in fields.items())
    text = f"a shortcut of `- conv: {{{shown}}}`"
    if scope.use is not None and (condition := _needed(filters, step)):
        item["when"] = condition
        text += f" with `when: {condition}`"
    return Edit(text, ((entry, {"shortcut": [item]}),))


def _written(body: Body, field: str, value: Any, scope: Scope) -> Any:
    """A value as the body writes it where that is a name (`$width`), else the value itself.

    Args:
        field: whose value is looked for; empty: any.
    """
    for entry in reversed(body):
        given = entry.given if isinstance(entry, Operation | Use) else {}
        for name, written in given.items():
            if field not in ("", name) or not written.expressions():
                continue
            try:
                found = written.evaluate(scope.values)
            except Unevaluable:
                continue
            text = getattr(written.node, "text", "")
            if type(found) is int and found == value and text[1:].isidentifier():
                return text
    return value


def _needed(filters: Any, stride: Any) -> str | None:
    """In which uses of a block its shortcut must project; None: in all."""
    named = [v for v in (filters, stride) if isinstance(v, str)]
    if not named or (stride != 1 and not isinstance(stride, str)):
        return None
    channels = filters[1:] if isinstance(filters, str) else filters
    changed = f"in_channels != {channels}"
    return f"$({stride[1:]} != 1 or {changed})" if stride != 1 else f"$({changed})"
