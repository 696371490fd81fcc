"""A key of a state dict and the layers' paths enter; whose weight it is leaves."""


def owner_of(key, paths):
    """The layer's path and the weight's name in it: `attention`, `out_proj.weight`.

    A key of no layer is cut at its last dot.
    """
    path, _, name = key.rpartition(".")
    while path and path not in paths:
        path, _, inner = path.rpartition(".")
        name = f"{inner}.{name}"
    return (path, name) if path else tuple(key.rsplit(".", 1))
