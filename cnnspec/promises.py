"""What a method of a plugin's operation gave enters; what is wrong with it leaves.

The built-in operations are held to the same by the type checker.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from typing import Any

from cnnspec.layers.layer import EVERYWHERE, Kept, Layer, Reach, Remark, Remedy, Weight
from cnnspec.shapes import MAPS, SEQUENCE, TOKENS, VECTOR, Shape

AXES = {MAPS: (2, 3, 4), VECTOR: (1,), SEQUENCE: (2,), TOKENS: (1,)}


def broken(method: str, layer: Layer, inputs: tuple[Shape, ...], made: Any) -> str:
    """As in `no tuple of Weight`; empty where all is as it should be.

    Args:
        method: one of `PROMISES`.
    """
    return PROMISES[method](layer, inputs, made)


def _infer(layer: Layer, inputs: tuple[Shape, ...], made: Any) -> str:
    if not _is_tuple_of(Shape, made) or len(made) != layer.ports:
        return f"no tuple of {layer.ports} Shape"
    for layout, sizes, vocabulary in made:
        if layout not in AXES:
            return "a layout that there is not"
        if not _are_sizes(sizes) or len(sizes) not in AXES[layout]:
            return f"sizes that are none of {layout}"
        if vocabulary is not None and not _is_size(vocabulary):
            return "a vocabulary that is no positive number"
    return ""


def _weights(layer: Layer, inputs: tuple[Shape, ...], made: Any) -> str:
    if not _is_tuple_of(Weight, made):
        return "no tuple of Weight"
    for name, shape, learned, constant in made:
        if type(name) is not str or not all(map(str.isidentifier, name.split("."))):
            return "a name that no tensor can have"
        if not _are_sizes(shape):
            return f"a `{name}` whose shape is no tuple of positive whole numbers"
        if type(learned) is not bool or type(constant) is not bool:
            return f"a `{name}` whose `learned` or `constant` is no boolean"
    names = [weight.name for weight in made]
    return "a name twice" if len(set(names)) < len(names) else ""


def _keras_variables(layer: Layer, inputs: tuple[Shape, ...], made: Any) -> str:
    from cnnspec.layers.variables import Rows, Variable

    if not _is_tuple_of(Variable, made):
        return "no tuple of Variable"
    taken: dict[Any, list[tuple[int, int]]] = {w: [] for w in layer.weights(inputs)}
    for path, rows, shape, axes in made:
        if type(path) is not str or not _is_tuple_of(Rows, rows) or not rows:
            return "a Variable without a path or without Rows"
        if any(weight not in taken for weight, _, _ in rows):
            return f"a `{path}` of a tensor that `weights` does not name"
        count = sum((stop - start) * prod(w.rows[1:]) for w, start, stop in rows)
        if not _are_sizes(shape) or count != prod(shape):
            return f"a `{path}` whose shape does not hold {count} numbers"
        if sorted(axes) != list(range(len(shape))):
            return f"a `{path}` whose axes are no order of its shape's"
        for weight, start, stop in rows:
            taken[weight].append((start, stop))
    for weight, parts in taken.items():
        starts, stops = zip(*sorted(parts), strict=True) if parts else ((), ())
        if (*starts, weight.rows[0]) != (0, *stops):
            return f"not each row of `{weight.name}` once"
    return ""


def _macs(layer: Layer, inputs: tuple[Shape, ...], made: Any) -> str:
    return "" if type(made) is int and made >= 0 else "no whole number of at least 0"


def _reach(layer: Layer, inputs: tuple[Shape, ...], made: Any) -> str:
    if made is None or made is EVERYWHERE:
        return ""
    if type(made) is not Reach or not all(map(_are_sizes, made)):
        return "neither None, EVERYWHERE nor a Reach of whole numbers per axis"
    rank = inputs[0].rank
    fits = len(made.extent) == len(made.stride) == rank > 0
    return "" if fits else f"another number of axes than the input's {rank}"


def _keeps(layer: Layer, inputs: tuple[Shape, ...], made: Any) -> str:
    if type(made) is not Kept:
        return "no Kept"
    kinds = {name: type(value) for name, value in Kept()._asdict().items()}
    wrong = [
        name for name, kind in kinds.items() if type(getattr(made, name)) is not kind
    ]
    return (
        f"a Kept whose `{wrong[0]}` is no {kinds[wrong[0]].__name__}" if wrong else ""
    )


def _torch_parts(layer: Layer, inputs: tuple[Shape, ...], made: Any) -> str:
    return "" if _is_tuple_of(str, made) else "no tuple of names"


def _remarks(layer: Layer, inputs: tuple[Shape, ...], made: Any) -> str:
    if not isinstance(made, list) or not all(type(it) is Remark for it in made):
        return "no list of Remark"
    return next(filter(None, [wrong_remark(it, layer, inputs) for it in made]), "")


def wrong_remark(remark: Any, layer: Layer, inputs: tuple[Shape, ...]) -> str:
    """What is wrong with a remark, which `infer` raises and `remarks` gives."""
    if type(remark) is not Remark:
        return "a Misfit without a Remark"
    code, message, label, field, port, remedies, lead, help = remark
    if type(code) is not str or not re.fullmatch(r"CS\d{3}", code):
        return "a Remark whose code is not as CS390"
    if not all(type(text) is str for text in (message, label, lead, help or "")):
        return "a Remark whose message, label or help is no text"
    if type(remedies) is not tuple or not all(type(it) is Remedy for it in remedies):
        return "a Remark whose remedies are no tuple of Remedy"
    if field is not None and field not in layer.fields:
        return "a Remark on a field that there is not"
    if port is not None and (type(port) is not int or not 0 <= port < len(inputs)):
        return "a Remark on an input that there is not"
    return ""


def _is_tuple_of(kind: type, made: Any) -> bool:
    return type(made) is tuple and all(type(it) is kind for it in made)


def _are_sizes(made: Any) -> bool:
    return type(made) is tuple and all(map(_is_size, made))


def _is_size(made: Any) -> bool:
    return type(made) is int and made > 0


PROMISES: dict[str, Callable[[Layer, tuple[Shape, ...], Any], str]] = {
    "infer": _infer,
    "weights": _weights,
    "keras_variables": _keras_variables,
    "macs": _macs,
    "reach": _reach,
    "remarks": _remarks,
    "keeps": _keeps,
    "torch_parts": _torch_parts,
}
