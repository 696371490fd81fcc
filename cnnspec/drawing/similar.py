"""Items enter; which of them look alike, and may be one box with a count, leaves."""

from __future__ import annotations

from typing import Any

from cnnspec.drawing.picture import BLOCK, Box, Fork, Group, Item, Sequence


class Likeness:
    """Numbers for what items look like: equal ones are found without comparing trees."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Any, int] = {}

    def _number(self, key: Any) -> int:
        return self._known.setdefault(key, len(self._known))

    def box(self, box: Box, operations: list[str]) -> None:
        """Args: operations: the names of the box's layers, without their fields."""
        box.signature = self._number((tuple(box.rows), box.kind, box.dashed))
        box.skeleton = self._number(tuple(operations))

    def stack(self, box: Box, above: Box) -> None:
        """`above` has been laid on the box."""
        box.signature = self._number((box.signature, above.signature))
        box.skeleton = self._number((box.skeleton, above.skeleton))

    def group(self, group: Group, name: str) -> None:
        look, bones = self._sequence(group.body)
        group.signature = self._number((group.name, tuple(group.rows), look))
        group.skeleton = self._number((name, bones))

    def fork(self, fork: Fork) -> None:
        both = [self._sequence(sequence) for sequence in fork.lists]
        kind = fork.merge.rows[0]
        fork.signature = self._number((kind, tuple([look for look, _ in both])))
        fork.skeleton = self._number((kind, tuple([bones for _, bones in both])))

    def _sequence(self, sequence: Sequence) -> tuple[int, int]:
        items = sequence.items
        look = tuple([(item.signature, item.count) for item in items])
        bones = tuple([item.skeleton for item in items])
        return self._number(("look", look)), self._number(("bones", bones))


def joins(before: Item, item: Item, exposed: bool) -> bool:
    """Whether an item is the one before it once more.

    Args:
        exposed: what the one before gives is an output of the model.
    """
    if exposed or item.links or item.after or before.links:
        return False
    if before.signature != item.signature:
        return False
    assert before.entry is not None and item.entry is not None
    if before.entry is item.entry:
        return True
    return (
        before.gives == item.gives
        and isinstance(before, Group)
        and before.kind == BLOCK
        and isinstance(item, Group)
        and not (before.entry.named or item.entry.named)
        and not (before.entry.referenced or before.entry.reuses or item.entry.reuses)
    )


def stacks(before: Item, item: Item, exposed: bool) -> bool:
    """Whether a layer that keeps shapes may be a further line of the box above it."""
    if exposed or not isinstance(before, Box) or not isinstance(item, Box):
        return False
    if before.entry is None or before.kind == "merge" or before.count > 1:
        return False
    assert item.entry is not None
    if before.entry.referenced or before.entry.reuses or item.entry.reuses:
        return False
    if before.entry.repeat is not None or item.entry.repeat is not None:
        return False
    alike = before.gives == item.gives and before.dashed == item.dashed
    return alike and item.kind == "plain" and not item.links and bool(item.gives)


def close(body: Sequence, expand: bool, depth: int | None) -> None:
    """Closes the blocks whose inside stays out of the picture.

    Args:
        expand: open every use of a block, not its first alone.
        depth: how many levels of blocks are open; None: all.
    """
    _close(body, expand, depth, 0, set())


def _close(
    body: Sequence, expand: bool, depth: int | None, level: int, seen: set[int]
) -> None:
    for item in body.items:
        if isinstance(item, Fork):
            for sequence in item.lists:
                _close(sequence, expand, depth, level, seen)
        elif isinstance(item, Group) and item.open:
            deep = depth is not None and level >= depth
            if item.kind == BLOCK:
                known = item.skeleton in seen and not expand
                seen.add(item.skeleton)
                item.open = not (deep or _merge_lines(item) or known)
            if item.open:
                inner = level + (item.kind == BLOCK)
                _close(item.body, expand, depth, inner, seen)


def _merge_lines(group: Group) -> bool:
    """Shows a block of one box as that box; False where it holds more."""
    if len(group.body.items) != 1 or group.body.items[0].links:
        return False
    inner = group.body.items[0]
    if not isinstance(inner, Box) or inner.count > 1:
        return False
    group.rows, group.look = inner.rows, inner.kind
    return True
