"""The example of an operation's page enters; what both targets make of it leaves."""

from __future__ import annotations

import re
from inspect import cleandoc
from textwrap import indent

from cnnspec.compile import check_source
from cnnspec.diagnostics import ERROR
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.emit.site import Inexpressible
from cnnspec.source import SourceFile

# What all models share, and what that calls: it says nothing of the operation.
_COMMON = re.compile(r"def (init_weights|he_normal\(|_fan_in|(Conv|Dense)\w*\(\*args)")


class NoNetwork(Exception):
    """The example has an error with the input it is given; its text is code and message."""


def excerpts(example: str, given: str) -> dict[str, str]:
    """The code of a network that is the example, by target, without what all models share.

    Args:
        example: a list of layers.
        given: the network's input, as `input` takes it.

    Raises: NoNetwork.
    """
    layers = indent(cleandoc(example), "  ")
    text = f"cnnspec: 1\nname: example\ninput: {given}\nlayers:\n{layers}\n"
    checked = check_source(SourceFile("example", text), {})
    if checked.has_errors:
        fault = next(d for d in checked.diagnostics if d.severity == ERROR)
        raise NoNetwork(f"{fault.message} ({fault.code})")
    found = {}
    for target in TARGETS:
        try:
            source = model_text(checked, target, None)
        except Inexpressible as fault:
            found[target] = f"# {fault.message}"
            continue
        parts = source.rstrip().split("\n\n\n")[1:]  # after header and imports
        found[target] = "\n\n\n".join(p for p in parts if not _COMMON.match(p))
    return found
