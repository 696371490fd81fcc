"""What makes a layer's shape another one, as words."""

from __future__ import annotations

from collections.abc import Sequence

from cnnspec.shapes import MAPS

WINDOWS = (
    "conv",
    "depthwise_conv",
    "separable_conv",
    "conv_transpose",
    "max_pool",
    "avg_pool",
    "lp_pool",
)
# Of other layers whose shape is another one.
SHAPES = {
    "upsample": "its scale or size",
    "pad": "how much is padded, or where",
    "crop": "how much is cropped, or where",
    "dense": "the number of its units",
    "permute": "the order of its axes",
    "concat": "what it joins, or along which axis",
    "flatten": "which axes it flattens",
    "pixel_shuffle": "its factor, or its direction",
    "lstm": "its units, its directions, or whether it gives each position",
    "gru": "its units, its directions, or whether it gives each position",
}


def shape_cause(op: str, layout: str, sizes: Sequence[int], made: Sequence[int]) -> str:
    """Why a layer that should make `sizes` makes other ones, both without the batch."""
    if op in WINDOWS and layout == MAPS and len(sizes) == len(made):
        if list(sizes[1:]) == list(made[1:]):
            return "the number of its filters"
        return "the window: kernel, stride, padding or dilation"
    if op.startswith(("global_", "adaptive_")):
        return "the axes or sizes that it keeps"
    return SHAPES.get(op, "")
