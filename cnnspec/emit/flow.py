"""What flows through a definition while its forward is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cnnspec.emit.call import Code

if TYPE_CHECKING:
    from cnnspec.emit.render import Value
    from cnnspec.expressions import Expr
    from cnnspec.shapes import Shape


class Flow(NamedTuple):
    """A value in the forward.

    Args:
        code: a variable, or an expression that no statement holds yet (`is_open`).
        channels: expressions that give its channels.
        shape: the same in all instances, else None.
    """

    code: Code
    channels: list[Expr]
    shape: Shape | None = None
    is_open: bool = False


class Loop(NamedTuple):
    """A repeat around what is written."""

    variable: str
    count: Value


class Condition(NamedTuple):
    """A `when` around what is written."""

    value: Value
