"""Statements of generated functions enter, indented lines leave."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from cnnspec.emit.call import Code, statement

INDENT = 4


class Assign(NamedTuple):
    """`target = code`; a target of "" is a call alone, "return" returns."""

    target: str
    code: Code
    comment: str = ""


class If(NamedTuple):
    condition: Code
    body: list[Statement]


class For(NamedTuple):
    """`for target in values:`."""

    target: str
    values: Code
    body: list[Statement]


class Raw(NamedTuple):
    """Lines that are laid out already, without their indent."""

    lines: tuple[str, ...]


Statement: TypeAlias = Assign | If | For | Raw


def write(statements: list[Statement], indent: int) -> list[str]:
    """The lines of statements at an indent in columns."""
    lines: list[str] = []
    for item in statements:
        if isinstance(item, Assign):
            prefix = {"": "", "return": "return "}.get(item.target, f"{item.target} = ")
            lines += statement(prefix, item.code, indent, item.comment)
        elif isinstance(item, If):
            lines += statement("if ", item.condition, indent, suffix=":")
            lines += write(item.body, indent + INDENT)
        elif isinstance(item, For):
            lines += statement(
                f"for {item.target} in ", item.values, indent, suffix=":"
            )
            lines += write(item.body, indent + INDENT)
        else:
            lines += [" " * indent + line if line else "" for line in item.lines]
    return lines
