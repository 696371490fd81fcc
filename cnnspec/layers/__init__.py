"""All operations of the language, collected from the modules of their families."""

from __future__ import annotations

from cnnspec.layers import activation, conv, dense, dropout, merge, norm, pool
from cnnspec.layers.layer import Layer

FAMILIES = (conv, pool, norm, activation, dropout, dense, merge)

OPERATIONS: dict[str, type[Layer]] = {
    cls.op: cls
    for family in FAMILIES
    for cls in vars(family).values()
    if isinstance(cls, type)
    and issubclass(cls, Layer)
    and cls.op
    and cls.__module__ == family.__name__
}
