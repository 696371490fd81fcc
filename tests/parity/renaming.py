"""A drawn spec's text enters; it leaves with hostile names in place of its neutral ones.

Hostile are names that generated code has a use of its own for: blocks, helpers, loop variables,
variables of a branch.
"""

from __future__ import annotations

import random
import re

NEUTRAL = re.compile(r"\b(?:unit|layer|arg|local|var|source|head)_\w+\b")
BLOCKS = ("stem", "shortcut", "activate", "pad_same", "every2d", "branch1", "conv2d")
OTHERS = (
    *("shortcut", "shortcut_2", "branch1", "branch2", "index2", "index3", "body"),
    *("activate", "pad_same", "pad_ceil", "every2d", "avg_pool2d", "max_pool2d"),
    *("net", "layer", "module", "module_list", "kernel", "stride", "value", "sides"),
    *("conv", "conv1", "add", "relu1", "init", "frozen", "channels", "identity"),
)


def renamed(text: str, source: random.Random) -> str:
    """Each neutral name becomes one hostile name throughout, or stays."""
    neutral = sorted(set(NEUTRAL.findall(text)))
    blocks = [name for name in neutral if name.startswith("unit_")]
    words = [source.choice(BLOCKS) for _ in blocks]
    share = source.choice((0.2, 0.5, 0.8))
    found = {n: w for n, w in zip(blocks, words, strict=True) if source.random() < 0.5}
    # Names of blocks once more for each of the others: a layer named like its block.
    near = (*OTHERS, *(found.get(name, name) for name in blocks * 8))
    for name in neutral:
        if name not in blocks and source.random() < share:
            found[name] = source.choice(near)
    return NEUTRAL.sub(lambda match: found.get(match[0], match[0]), text)
