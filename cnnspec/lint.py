"""A spec enters; what is allowed but hardly meant goes into the bag (CS4nn)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.spec import entries_of

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.spec import Spec


def lint(spec: Spec, bag: Bag) -> None:
    """Every rule over the whole network; rules of one layer are its `remarks`."""
    _unused_blocks(spec, bag)


def _unused_blocks(spec: Spec, bag: Bag) -> None:
    used = {
        entry.key
        for body in (spec.layers, *(block.layers for block in spec.blocks.values()))
        for entry in entries_of(body)
    }
    for name, block in spec.blocks.items():
        if name not in used:
            bag.add("CS404", f"block `{name}` is never used", block.span)
