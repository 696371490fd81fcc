"""A spec enters; its generated models of both frameworks leave: for the tests of operations.

For authors of plugins, and imported by nothing here. The generated programs import the
frameworks; this module only asks for what they have loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from cnnspec.compile import Checked, check_source
from cnnspec.diagnostics import Bag
from cnnspec.emit.build import model_text
from cnnspec.fields import NAMING, Declared
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Layer
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
        """Draws vectors (scales, biases, statistics) anew and gives Keras all of PyTorch's.

        Args:
            layouts: by operation, where its tensors go in Keras: from the tensors by name and
                the layer's fields to arrays by attribute of the Keras layer. Without one,
                `weight` is a kernel (O, I, spatial...), and what has another name keeps it.
        """
        layers: dict[str, Tensors] = {}
        for key, tensor in self.pytorch.state_dict().items():
            path, _, name = key.rpartition(".")
            if tensor.dim():  # not a batch norm's count of batches
                if tensor.dim() == 1:
                    tensor.uniform_(0.5, 1.5)
                layers.setdefault(path, {})[name] = tensor.numpy()
        nodes = {_attribute_path(node.path): node for node in self.graph.layers}
        for path, tensors in layers.items():
            layer, made = nodes[path].layer, self.keras.get_layer(path)
            assert layer is not None
            layout = (layouts or {}).get(layer.op)
            placed = layout(tensors, layer.values) if layout else _placed(tensors, made)
            for name, array in placed.items():
                getattr(made, name).assign(array)

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
            array = keras.ops.convert_to_numpy(theirs[name])
            found[name] = ours[name].numpy(), _channels_first(array, shape)
        if len(served) == 1:
            return found[served[0]]
        ours, theirs = ({n: pair[i] for n, pair in found.items()} for i in (0, 1))
        return ours, theirs


def both_models(spec: str) -> Models:
    """Builds a spec's text for both frameworks.

    Both must have the tensors that the layers' `weights` names.
    """
    checked = check_source(SourceFile("spec.yaml", spec), {})
    faults = [d for d in checked.diagnostics if d.severity == "error"]
    assert not faults, render_text(faults, checked.source, False, 100)
    models = Models(checked)
    wanted: dict[str, tuple[int, ...]] = {}
    for node in models.graph.layers:
        assert node.layer is not None
        path, count = _attribute_path(node.path), 0
        for weight in node.layer.weights(models.graph.shapes_in(node)):
            wanted[f"{path}.{weight.name}"] = weight.shape
            count += weight.count
        if count:
            held = models.keras.get_layer(path).count_params()
            assert held == count, f"{path}: Keras has {held} numbers, `weights` {count}"
    state = models.pytorch.state_dict()
    found = {key: tuple(value.shape) for key, value in state.items() if value.dim()}
    assert found == wanted, f"PyTorch has {found}, `weights` {wanted}"
    return models


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


def _placed(tensors: Tensors, layer: Any) -> Tensors:
    """Tensors under the names of a Keras layer's attributes, kernels turned."""
    placed = {}
    for name, value in tensors.items():
        if hasattr(getattr(layer, name, None), "assign"):
            placed[name] = value
            continue
        other = next(other for other in _NAMES[name] if hasattr(layer, other))
        if value.ndim > 1:
            value = value.transpose(*range(2, value.ndim), 1, 0)
        placed[other] = value
    return placed


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
