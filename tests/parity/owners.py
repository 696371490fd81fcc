"""A key of a state dict and the layers' paths enter; whose weight it is leaves."""

from collections.abc import Container


def owner_of(key: str, paths: Container[str]) -> tuple[str, str]:
    """The layer's path and the weight's name in it: `attention`, `out_proj.weight`.

    A key of no layer is cut at its last dot.
    """
    last = len(key)
    while (last := key.rfind(".", 0, last)) >= 0:
        if key[:last] in paths:
            return key[:last], key[last + 1 :]
    path, _, name = key.rpartition(".")
    return path, name
