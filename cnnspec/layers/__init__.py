"""All operations of the language, collected from the modules of their families."""

from __future__ import annotations

from cnnspec.layers import (
    activation,
    adaptive,
    attention,
    borders,
    conv,
    dense,
    depthwise,
    dropout,
    embedding,
    layer_norm,
    merge,
    norm,
    parametric,
    pointwise,
    pool,
    radial,
    rearrange,
    recurrent,
    reshape,
    resize,
    scale,
    split,
    transposed,
)
from cnnspec.layers.layer import Layer

FAMILIES = (
    conv,
    depthwise,
    transposed,
    pool,
    adaptive,
    resize,
    borders,
    norm,
    layer_norm,
    scale,
    pointwise,
    parametric,
    activation,
    dropout,
    dense,
    radial,
    rearrange,
    reshape,
    merge,
    split,
    embedding,
    recurrent,
    attention,
)

OPERATIONS: dict[str, type[Layer]] = {
    cls.op: cls
    for family in FAMILIES
    for cls in vars(family).values()
    if isinstance(cls, type)
    and issubclass(cls, Layer)
    and cls.op
    and cls.__module__ == family.__name__
}
