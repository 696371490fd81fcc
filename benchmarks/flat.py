"""A number of layers enters; the text of a flat spec leaves."""

from __future__ import annotations

import random

HEADER = """\
cnnspec: 1
name: flat
input: {channels: 16, height: 32, width: 32}
layers:
"""


def flat_spec(layers: int) -> str:
    """A spec of so many lines, convolutions and relu in turn.

    Widths and kernels are drawn from 96 pairs, so that few convolutions are alike in
    fields and input: what cnnspec remembers of one layer helps little with the next.
    """
    draw = random.Random(0)
    lines = []
    for number in range(layers):
        if number % 2:
            lines.append("  - relu\n")
        else:
            filters, kernel = 16 * draw.randint(1, 32), draw.choice((1, 3, 5))
            conv = f"{{filters: {filters}, kernel: {kernel}, padding: same}}"
            lines.append(f"  - conv: {conv}\n")
    return HEADER + "".join(lines)
