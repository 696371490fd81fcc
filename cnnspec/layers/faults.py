"""Windows that do not go with their maps enter; what to say about them, with remedies, leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import gcd

from cnnspec import dims
from cnnspec.dims import Window
from cnnspec.layers.layer import Misfit, Remark, Remedy
from cnnspec.shapes import Shape

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
SIDES = {
    1: ("before", "after"),
    2: ("top", "bottom", "left", "right"),
    3: ("front", "back", "top", "bottom", "left", "right"),
}
PIXELS = {1: ("position",), 2: ("row", "column"), 3: ("slice", "row", "column")}
TRIES = 64  # values of a field that are tried for a remedy
REACH = 1000  # how far around a value its divisors are looked for

Windows = tuple[Window, ...]
Fits = Callable[[int, Window], bool]


def axes_fault(
    field: str, value: int | tuple[int, ...], rank: int, sides: bool = False
) -> Misfit:
    """CS303: the list has another length than the input has axes.

    Args:
        sides: it may also have two numbers for each axis, before and after.
    """
    assert isinstance(value, tuple)
    options = ["one number", f"{rank} ({', '.join(AXES[rank])})"]
    if sides:
        options.append(f"{2 * rank} ({', '.join(SIDES[rank])})")
    *firsts, last = options
    has = f"{len(value)} number{'s' if len(value) > 1 else ''}"
    return Misfit(
        Remark(
            "CS303",
            f"`{field}` has {has} for {rank} spatial {'axes' if rank > 1 else 'axis'}",
            f"gets {list(value)}, takes {', '.join(firsts)} or {last}",
            field=field,
            port=0,
        )
    )


def too_large(shape: Shape, windows: Windows) -> Remark:
    """CS301: no window fits on an axis."""
    padded = [
        size + w.before + w.after
        for size, w in zip(shape.spatial, windows, strict=True)
    ]
    kernels = [
        min(w.kernel, (free - 1) // w.dilation + 1)
        for free, w in zip(padded, windows, strict=True)
    ]
    square = len({w.kernel for w in windows}) == 1
    lacks = max(
        -dims.room(size, w) for size, w in zip(shape.spatial, windows, strict=True)
    )
    wider = max(w.before for w in windows) + -(-lacks // 2)
    remedies = [
        Remedy({"padding": "same"}, "padding same"),
        _remedy("kernel", min(kernels) if square else _plain(kernels)),
        _remedy("padding", wider),
    ]
    if any(w.dilation > 1 for w in windows):
        remedies.append(_remedy("dilation", 1))
    return Remark(
        "CS301",
        "kernel is larger than its padded input",
        f"needs {_by(w.extent for w in windows)}, gets {_by(padded)}",
        field="kernel",
        port=0,
        remedies=tuple(remedies),
    )


def inexact(shape: Shape, windows: Windows) -> Remark:
    """CS304: `rounding: exact`, and the stride does not divide."""
    formulas = [
        f"({size} - {w.extent} + {w.before + w.after})/{w.stride} + 1 = "
        f"{_two_places(dims.room(size, w), w.stride)}"
        for size, w in zip(shape.spatial, windows, strict=True)
        if dims.remainder(size, w)
    ]
    first = windows[0]
    paddings = dims.fitting_paddings(
        shape.spatial[0], first.kernel, first.stride, first.dilation
    )
    return Remark(
        "CS304",
        "the window does not fit its input exactly",
        ", ".join(dict.fromkeys(formulas)),
        field="stride",
        port=0,
        remedies=_fitting(
            shape,
            windows,
            lambda size, w: not dims.remainder(size, w),
            _nearest(first.before, paddings),
        ),
    )


def _two_places(room: int, stride: int) -> str:
    """room/stride + 1, in integers: a float would err on large sizes."""
    hundredths = (200 * room + stride) // (2 * stride) + 100
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def indivisible(channels: int, filters: int, groups: int) -> Remark:
    """CS305, with the divisors nearest to what was asked for."""
    both = gcd(channels, filters)
    divisors = dict.fromkeys([*divisors_near(both, groups)[:2], both, 1])
    remedies = [Remedy({"groups": n}, f"groups {n}") for n in divisors]
    if channels % groups:
        return Remark(
            "CS305",
            "groups do not divide the input channels",
            f"{channels} channels, {groups} groups",
            field="groups",
            port=0,
            remedies=tuple(remedies),
        )
    above = -(-filters // groups) * groups
    multiples = [n for n in (above, above - groups) if n]
    multiples.sort(key=lambda n: abs(n - filters))
    remedies[1:1] = [Remedy({"filters": n}, f"filters {n}") for n in multiples]
    return Remark(
        "CS305",
        "groups do not divide the filters",
        f"{filters} filters, {groups} groups",
        field="groups",
        remedies=tuple(remedies),
    )


def divisors_near(number: int, value: int) -> list[int]:
    """Divisors of a number, the nearest to a value first; of a large one not all."""
    near = range(max(1, value - REACH), min(number, value + REACH) + 1)
    found = [n for n in near if number % n == 0] or [1, number]
    return sorted(found, key=lambda n: abs(n - value))


def cropped_away(wholes: list[int], padding: list[int]) -> Remark:
    """CS321: the padding of a transposed convolution crops all of its output.

    Args:
        wholes: extents before anything is cropped, by axis.
        padding: what is cropped, on both sides together.
    """
    most = (min(wholes) - 1) // 2
    return Remark(
        "CS321",
        "the padding crops the whole output",
        f"crops {_by(padding)} of {_by(wholes)}",
        field="padding",
        port=0,
        remedies=(
            _remedy("padding", most),
            Remedy({"padding": "same"}, "padding same"),
        ),
    )


def overshot(more: tuple[int, ...], strides: tuple[int, ...], is_same: bool) -> Remark:
    """CS322: an output padding of a stride or more, or beside `same`."""
    if is_same:
        return Remark(
            "CS322",
            "`padding: same` leaves nothing to `output_padding`",
            "the output has the input's extent times the stride",
            field="output_padding",
            remedies=(_remedy("output_padding", 0),),
        )
    least = [min(m, s - 1) for m, s in zip(more, strides, strict=True)]
    wider = [max(m + 1, s) for m, s in zip(more, strides, strict=True)]
    return Remark(
        "CS322",
        "`output_padding` must be less than the stride",
        f"adds {_by(more)}, the stride is {_by(strides)}",
        field="output_padding",
        remedies=(
            _remedy("output_padding", _plain(least)),
            _remedy("stride", _plain(wider)),
        ),
    )


def unread(shape: Shape, windows: Windows, ceil: bool) -> Remark:
    """CS401: the last pixels of an axis are in no window; `ceil` would be allowed here."""
    lost = [
        (pixel, dims.dropped(size, window), size)
        for pixel, size, window in zip(
            PIXELS[shape.rank], shape.spatial, windows, strict=True
        )
        if dims.dropped(size, window)
    ]
    where = " and ".join(
        f"{pixel} {size}" if n == 1 else f"{pixel}s {size - n + 1} to {size}"
        for pixel, n, size in lost
    )
    drops = " and ".join(f"{n} {pixel}{'s' if n > 1 else ''}" for pixel, n, _ in lost)
    remedies = _fitting(
        shape,
        windows,
        lambda size, w: not dims.dropped(size, w),
        _nearest(windows[0].before, range(windows[0].extent)),
    )
    if ceil:
        remedies += (Remedy({"rounding": "ceil"}, "rounding ceil"),)
    return Remark(
        "CS401",
        "the last pixels of the input are never read",
        f"no window reads {where} of {shape}",
        field="stride",
        port=0,
        remedies=remedies,
        lead=f"stride {_plain([w.stride for w in windows])} drops {drops}",
    )


def padding_alone(windows: Windows) -> Remark:
    """CS402: the first or the last window of an axis spans no pixel."""
    return _sees_padding(
        "CS402",
        "padding is at least the kernel, so that windows see padding alone",
        windows,
    )


def nothing_to_pool(windows: Windows) -> Remark:
    """CS309: a window of padding alone, where padding is no number."""
    return _sees_padding(
        "CS309",
        "padding is at least the kernel, so that windows have nothing to pool",
        windows,
    )


def _sees_padding(code: str, message: str, windows: Windows) -> Remark:
    widest = [max(w.before, w.after) for w in windows]
    most = [min(pad, w.extent - 1) for pad, w in zip(widest, windows, strict=True)]
    return Remark(
        code,
        message,
        f"pads {_by(widest)}, a window spans {_by(w.extent for w in windows)}",
        field="padding",
        remedies=(
            _remedy("padding", _plain(most)),
            Remedy({"padding": "same"}, "padding same"),
        ),
    )


def _fitting(
    shape: Shape, windows: Windows, fits: Fits, paddings: list[int]
) -> tuple[Remedy, ...]:
    """Per field its least change with which the window fits every axis.

    One number for all axes if there is one, else a number for each.
    """
    remedies = []
    for field in ("padding", "kernel", "stride"):
        per_axis = [
            [
                v
                for v in _options(field, w, paddings)
                if _fits_with(fits, size, w, field, v)
            ]
            for size, w in zip(shape.spatial, windows, strict=True)
        ]
        shared = [v for v in per_axis[0] if all(v in others for others in per_axis)]
        square = field == "padding" or len({getattr(w, field) for w in windows}) == 1
        if shared and square:
            remedies.append(_remedy(field, shared[0]))
        elif all(per_axis):
            remedies.append(_remedy(field, _plain([found[0] for found in per_axis])))
    return tuple(remedies)


def _options(field: str, window: Window, paddings: list[int]) -> list[int]:
    """Values of a field worth trying, the nearest first."""
    if field == "padding":
        return paddings
    if field == "kernel":
        return [
            window.kernel + d for d in (1, -1, 2, -2, 3, -3) if window.kernel + d > 0
        ]
    return [window.stride + d for d in (-1, 1, -2, 2, -3) if window.stride + d > 0]


def _fits_with(fits: Fits, size: int, window: Window, field: str, value: int) -> bool:
    change = {"before": value, "after": value} if field == "padding" else {field: value}
    trial = window._replace(**change)
    return dims.room(size, trial) >= 0 and fits(size, trial)


def _nearest(value: int, candidates: range) -> list[int]:
    """The candidates around a value, nearest first, without sorting all of them."""
    near = [c for c in candidates[:TRIES] if c != value]
    return sorted(near, key=lambda c: (abs(c - value), -c))


def _remedy(field: str, value: int | list[int]) -> Remedy:
    return Remedy({field: value}, f"{field} {value}")


def _plain(values: list[int]) -> int | list[int]:
    """One number where all are equal."""
    return values[0] if len(set(values)) == 1 else values


def _by(values: Iterable[int]) -> str:
    """As in `7x7`."""
    return "x".join(map(str, values))
