"""`vars` and the values of `--set` enter; the constants of the build leave."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnspec.declared import report
from cnnspec.names import check_name
from cnnspec.spec import Variables
from cnnspec.suggest import did_you_mean
from cnnspec.values import Unevaluable, read_value
from cnnspec.yamltree import Mapping, Node, Scalar

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag, Diagnostic
    from cnnspec.source import SourceFile, Span


def read_variables(
    root: Mapping, section: Mapping | None, overrides: dict[str, Any], bag: Bag
) -> Variables:
    """Constants of the build; each may use those before it.

    Args:
        section: `vars`, where it is a mapping.
        overrides: values of `--set`, by name.
    """
    variables = Variables()
    if section is None and "vars" in root:
        variables.broken.add("vars")
    for key, node in section.items if section else ():
        name = key.text
        if not check_name(name, "variable", key.span, bag):
            variables.broken.add(name)
        elif name in overrides:
            variables[name] = overrides[name]
        elif _take_variable(name, node, variables, bag):
            variables.nodes[name] = node
        else:
            variables.broken.add(name)
    for name in overrides:
        if section is None or name not in section:
            known = [key.text for key, _ in section.items] if section else []
            meant = did_you_mean(name, known)
            vars_key = root.key("vars")
            bag.add(
                "CS212",
                f"`--set {name}=…` names no variable of this spec",
                vars_key.span if vars_key else root.items[0][0].span,
                help=f"did you mean `{meant}`?"
                if meant
                else f"its variables: {', '.join(known) or 'none'}",
            )
    return variables


def _take_variable(name: str, node: Node, variables: Variables, bag: Bag) -> bool:
    """Whether the variable's value could be read."""
    if not isinstance(node, Scalar) or node.value is None:
        bag.add(
            "CS107",
            f"variable `{name}` takes a number, text, true or false",
            node.span,
            f"gets {node.kind}",
        )
        return False
    value = read_value(node, bag)
    if value is None:
        return False
    try:
        variables[name] = value.evaluate(variables)
    except Unevaluable as fault:
        report(fault, bag, variables)
        return False
    return True


def name_overrides(
    diagnostics: Sequence[Diagnostic], overrides: dict[str, Any], source: SourceFile
) -> list[Diagnostic]:
    """Diagnostics at an expression whose value comes from `--set`, with a note that says so."""
    told = []
    for found in diagnostics:
        spans = [found.span, *(label.span for label in found.related)]
        text = " ".join(_quoted(source, span) for span in spans)
        words = set(re.findall(r"\w+", text)) if "$" in text else set()
        notes = tuple(
            f"`--set {name}={value}` gives `{name}` its value"
            for name, value in overrides.items()
            if name in words
        )
        told.append(found._replace(notes=notes + found.notes))
    return told


def _quoted(source: SourceFile, span: Span) -> str:
    """What stands at a span, of several lines on its first one."""
    end = span.end_column - 1 if span.end_line == span.line else None
    return source.lines[span.line - 1][span.column - 1 : end]
