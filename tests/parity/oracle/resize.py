"""Other extents: resizing pixel by pixel, borders added and cut."""

import torch


def extent(node, xs):
    """The output's, by axis."""
    (x, *likes), values = xs, node["values"]
    if likes:
        return list(likes[0].shape[2:])
    sizes = list(x.shape[2:])
    field = values["size"] if values["size"] is not None else values["scale"]
    numbers = field if isinstance(field, list) else [field] * len(sizes)
    if values["size"] is not None:
        return numbers
    return [size * scale for size, scale in zip(sizes, numbers, strict=True)]


def upsample(node, own, xs, learns):
    x = xs[0]
    nearest = node["values"]["method"] == "nearest"
    for axis, wanted in enumerate(extent(node, xs), start=2):
        size = x.shape[axis]
        rows = []
        for i in range(wanted):
            if nearest:
                rows.append(x.select(axis, (2 * i + 1) * size // (2 * wanted)))
                continue
            centre = min(max((i + 0.5) * size / wanted - 0.5, 0), size - 1)
            low = min(int(centre), size - 1)
            share = centre - low
            below, above = x.select(axis, low), x.select(axis, min(low + 1, size - 1))
            rows.append((1 - share) * below + share * above)
        x = torch.stack(rows, axis)
    return [x]


def sides_of(value, rank):
    """(before, after) by axis."""
    if not isinstance(value, list):
        return [(value, value)] * rank
    if len(value) == rank:
        return [(n, n) for n in value]
    return [(value[2 * axis], value[2 * axis + 1]) for axis in range(rank)]


def source(place, size, mode):
    """Which pixel stands at a place that may be outside; None for the constant."""
    if 0 <= place < size:
        return place
    if mode == "constant":
        return None
    if mode == "replicate":
        return min(max(place, 0), size - 1)
    return -place if place < 0 else 2 * (size - 1) - place


def pad(node, own, xs, learns):
    (x,), values = xs, node["values"]
    sides = sides_of(values["padding"], x.dim() - 2)
    for axis, (before, after) in enumerate(sides, start=2):
        size = x.shape[axis]
        places = [source(n, size, values["mode"]) for n in range(-before, size + after)]
        constant = torch.full_like(x.select(axis, 0), values["value"])
        rows = [constant if p is None else x.select(axis, p) for p in places]
        x = torch.stack(rows, axis)
    return [x]


def crop(node, own, xs, learns):
    (x, *likes), values = xs, node["values"]
    if likes:
        cuts = [a - b for a, b in zip(x.shape[2:], likes[0].shape[2:], strict=True)]
        sides = [(cut // 2, cut - cut // 2) for cut in cuts]
    else:
        sides = sides_of(values["cropping"], x.dim() - 2)
    for axis, (before, after) in enumerate(sides, start=2):
        x = x[(slice(None),) * axis + (slice(before, x.shape[axis] - after),)]
    return [x]


EVALUATE = {"upsample": upsample, "pad": pad, "crop": crop}
