"""A spec enters; its generated models of both frameworks leave: for the tests of operations.

For authors of plugins, and imported by nothing here. The generated programs import the
frameworks; this module only asks for what they have loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from functools import cache, reduce
from math import prod
from types import ModuleType
from typing import Any

from cnnspec.compile import Checked, check_source
from cnnspec.diagnostics import Bag
from cnnspec.emit.build import model_text
from cnnspec.fields import NAMING, Declared
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Layer, Weight
from cnnspec.names import camel
from cnnspec.plugins import admit_file
from cnnspec.render import render_text
from cnnspec.shapes import MAPS, Shape
from cnnspec.source import SourceFile

Tensors = dict[str, Any]
Layout = Callable[[Tensors, dict[str, Any]], Tensors]

# Keras' names for tensors that PyTorch names alike in all its modules.
_NAMES = {
    "weight": ("kernel", "gamma"),
    "bias": ("bias", "beta"),
    "running_mean": ("moving_mean",),
    "running_var": ("moving_variance",),
}


@cache
def use_plugin(path: str) -> tuple[type[Layer], ...]:
    """The operations of a plugin's file; specs may use them from now on."""
    before, bag = set(OPERATIONS), Bag()
    source = admit_file(path, bag)
    assert not len(bag), render_text(bag.sorted(), source, False, 100)
    return tuple(cls for op, cls in OPERATIONS.items() if op not in before)


def values_of(cls: type[Declared], **needed: Any) -> list[dict[str, Any]]:
    """Mappings of an operation's fields: the needed ones alone, and with each sample of each.

    Args:
        needed: fields that must be given, or that the others go with.
    """
    found = [dict(needed)]
    for name, field in cls.fields.items():
        if not isinstance(field, NAMING):
            found += [{**needed, name: value} for value in field.samples()]
    return found


class Models:
    """The PyTorch and the Keras model of one spec, as they were built."""

    def __init__(self, checked: Checked) -> None:
        assert checked.spec is not None and checked.graph is not None
        self.graph = checked.graph
        self.pytorch = getattr(_run(checked, "pytorch"), camel(checked.spec.name))()
        self.keras = getattr(_run(checked, "keras"), checked.spec.name)()
        self.pytorch.eval()

    def share_weights(self, layouts: dict[str, Layout] | None = None) -> None:
        """Draws anew what begins alike, and gives Keras all of PyTorch's tensors.

        Drawn are vectors (scales, biases, statistics) and what is one number over and over:
        with zeros, models would agree that don't compute the same.

        Args:
            layouts: by operation, where its tensors go in Keras: from the tensors by name and
                the layer's fields to arrays by attribute of the Keras layer. Without one,
                `weight` is a kernel (O, I, spatial...), and what has another name keeps it.
        """
        nodes = {_attribute_path(node.path): node for node in self.graph.layers}
        layers: dict[str, Tensors] = {}
        for key, tensor in self.pytorch.state_dict().items():
            path, name = _owner(key, nodes)
            if tensor.dim():  # not a batch norm's count of batches
                if tensor.dim() == 1 or bool((tensor == tensor.flatten()[0]).all()):
                    tensor.uniform_(0.5, 1.5)
                layers.setdefault(path, {})[name] = tensor.numpy()
        for path, tensors in layers.items():
            layer, made = nodes[path].layer, self.keras.get_layer(path)
            assert layer is not None
            layout = (layouts or {}).get(layer.op)
            if layout is None:
                placed = _placed(tensors, made, path, layer.op)
            else:
                placed = layout(tensors, layer.values)
            for name, array in placed.items():
                _attribute(made, name).assign(array)

    def outputs(self, *inputs: Any) -> tuple[Any, Any]:
        """What PyTorch and Keras make of arrays (N, C, H, W): arrays, or dicts of them."""
        torch, keras = sys.modules["torch"], sys.modules["keras"]
        with torch.no_grad():
            ours = self.pytorch(*map(torch.from_numpy, inputs))
        shapes = [self.graph.shape(edge) for edge in self.graph.inputs.values()]
        given = [_channels_last(x, s) for x, s in zip(inputs, shapes, strict=True)]
        theirs = self.keras(given if len(given) > 1 else given[0], training=False)
        served = [name for name in self.graph.outputs if self.graph.serves(name)]
        if len(served) == 1:
            ours, theirs = {served[0]: ours}, {served[0]: theirs}
        found = {}
        for name in served:
            shape = self.graph.shape(self.graph.outputs[name])
            assert shape is not None
            array = keras.ops.convert_to_numpy(theirs[name])
            found[name] = ours[name].numpy(), _channels_first(array, shape)
            for side, value in zip(("PyTorch", "Keras"), found[name], strict=True):
                assert value.shape[1:] == shape.sizes, (
                    f"{name}: {side} gives {value.shape[1:]}, the check {shape.sizes}"
                )
        if len(served) == 1:
            return found[served[0]]
        ours, theirs = ({n: pair[i] for n, pair in found.items()} for i in (0, 1))
        return ours, theirs


def both_models(spec: str) -> Models:
    """Builds a spec's text for both frameworks.

    PyTorch's must have the tensors that the layers' `weights` names, and Keras' as many
    numbers; as many of them must learn.
    """
    checked = check_source(SourceFile("spec.yaml", spec), {})
    faults = [d for d in checked.diagnostics if d.severity == "error"]
    assert not faults, render_text(faults, checked.source, False, 100)
    models = Models(checked)
    wanted: dict[str, Weight] = {}
    for node in models.graph.layers:
        assert node.layer is not None
        weights = node.layer.weights(models.graph.shapes_in(node))
        if node.reuses or not weights:
            continue
        path = _attribute_path(node.path)
        if not node.trainable:
            weights = tuple(weight._replace(constant=True) for weight in weights)
        wanted |= {f"{path}.{weight.name}": weight for weight in weights}
        _check_counts(path, models.keras.get_layer(path), weights)
    _check_tensors(models.pytorch, wanted)
    return models


def _check_counts(path: str, layer: Any, weights: tuple[Weight, ...]) -> None:
    """A Keras layer's against those of `weights`."""
    held, count = layer.count_params(), sum(w.count for w in weights)
    assert held == count, f"{path}: Keras has {held} numbers, `weights` {count}"
    held = sum(prod(w.shape) for w in layer.trainable_weights)
    count = sum(w.count for w in weights if w.learned and not w.constant)
    assert held == count, f"{path}: {held} numbers learn in Keras, {count} in `weights`"


def _check_tensors(model: Any, wanted: dict[str, Weight]) -> None:
    """A PyTorch model's against those of `weights`."""
    state, parameters = model.state_dict(), dict(model.named_parameters())
    found = {key: tuple(value.shape) for key, value in state.items() if value.dim()}
    shapes = {key: weight.shape for key, weight in wanted.items()}
    assert found == shapes, f"PyTorch has {found}, `weights` {shapes}"
    for key, weight in wanted.items():
        kind = "a parameter" if key in parameters else "a buffer"
        assert weight.learned == (key in parameters), (
            f"{key} is {kind} in PyTorch, and `weights` has learned={weight.learned}"
        )
        learns = key in parameters and parameters[key].requires_grad
        assert learns == (weight.learned and not weight.constant), (
            f"{key} {'learns' if learns else 'never learns'} in PyTorch, unlike `weights`"
        )


def gap(found: Any, expected: Any) -> float:
    """The largest difference of two arrays, as a share of the expected one's largest value."""
    assert found.shape == expected.shape, (found.shape, expected.shape)
    return float(abs(found - expected).max() / max(abs(expected).max(), 1e-30))


def _run(checked: Checked, target: str) -> ModuleType:
    """The generated model.py as a module."""
    module = ModuleType(f"generated_{target}")
    text = model_text(checked, target, None)
    exec(compile(text, f"{target}/model.py", "exec"), module.__dict__)
    return module


def _placed(tensors: Tensors, layer: Any, path: str, op: str) -> Tensors:
    """Tensors under the names of a Keras layer's attributes, kernels turned."""
    placed = {}
    for name, value in tensors.items():
        if _has(layer, name):
            placed[name] = value
            continue
        part, _, last = name.rpartition(".")
        others = [f"{part}.{other}".lstrip(".") for other in _NAMES.get(last, ())]
        found = next((other for other in others if _has(layer, other)), None)
        if found is None:
            raise AssertionError(_unplaced(name, others, layer, path, op))
        if value.ndim > 1:
            value = value.transpose(*range(2, value.ndim), 1, 0)
        placed[found] = value
    return placed


def _unplaced(name: str, others: list[str], layer: Any, path: str, op: str) -> str:
    nor = f" (nor {', '.join(f'`{other}`' for other in others)})" if others else ""
    own = [w.path.partition("/")[2].replace("/", ".") or w.name for w in layer.weights]
    held = ", ".join(f"`{name}`" for name in own) or "nothing"
    return (
        f"{path}: Keras has no `{name}`{nor}; it holds {held}; pass "
        f'`share_weights({{"{op}": …}})`'
    )


def _has(layer: Any, name: str) -> bool:
    try:
        return hasattr(_attribute(layer, name), "assign")
    except AttributeError:
        return False


def _attribute(layer: Any, name: str) -> Any:
    """Of the layer or, with dots, of its parts."""
    return reduce(getattr, name.split("."), layer)


def _owner(key: str, paths: Collection[str]) -> tuple[str, str]:
    """The layer that a key of the state dict belongs to, and the tensor's name in it."""
    path, _, name = key.rpartition(".")
    while path not in paths:
        path, _, part = path.rpartition(".")
        name = f"{part}.{name}"
    return path, name


def _attribute_path(path: str) -> str:
    """`block[1].conv` as the state dict and Keras have it, `block.1.conv`."""
    return path.replace("[", ".").replace("]", "")


def _channels_last(array: Any, shape: Shape | None) -> Any:
    if shape is None or shape.layout != MAPS:
        return array
    return array.transpose(0, *range(2, array.ndim), 1)


def _channels_first(array: Any, shape: Shape | None) -> Any:
    if shape is None or shape.layout != MAPS:
        return array
    return array.transpose(0, array.ndim - 1, *range(1, array.ndim - 1))
