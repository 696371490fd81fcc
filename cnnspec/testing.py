"""A spec enters; its generated models of both frameworks leave: for the tests of operations.

For authors of plugins, and imported by nothing here. The generated programs import the
frameworks; this module only asks for what they have loaded.
"""

from __future__ import annotations

import sys
from functools import cache
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
from cnnspec.weights.layout import Holder, holders, state_shapes, to_keras


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

    def share_weights(self) -> None:
        """Draws anew what begins alike, and gives Keras all of PyTorch's tensors.

        Drawn are vectors (scales, biases, statistics) and what is one number over and over:
        with zeros, models would agree that don't compute the same.
        """
        state = self.pytorch.state_dict()
        for key in state_shapes(self.graph):
            tensor = state[key]
            if tensor.dim() == 1 or bool((tensor == tensor.flatten()[0]).all()):
                tensor.uniform_(0.5, 1.5)
        arrays = {key: tensor.numpy() for key, tensor in state.items()}
        variables = to_keras(self.graph, arrays)
        for variable in self.keras.weights:
            variable.assign(variables[variable.path])

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

    PyTorch's must have the tensors that the layers' `weights` names, and Keras' the
    variables of `keras_variables`; as many numbers of both must learn.
    """
    checked = check_source(SourceFile("spec.yaml", spec), {})
    faults = [d for d in checked.diagnostics if d.severity == "error"]
    assert not faults, render_text(faults, checked.source, False, 100)
    models = Models(checked)
    held = holders(models.graph)
    _check_variables(models.keras, [h for h in held if h.node.serves])
    tensors: dict[str, Weight] = {}
    for holder in held:
        weights = holder.weights
        if not holder.node.trainable:
            weights = tuple(weight._replace(constant=True) for weight in weights)
        tensors |= {holder.key(weight.name): weight for weight in weights}
        if holder.node.serves:
            _check_learned(holder, models.keras, weights)
    counters = {holder.key(name) for holder in held for name in holder.counters}
    _check_tensors(models.pytorch, tensors, counters)
    return models


def _check_variables(model: Any, held: list[Holder]) -> None:
    """A Keras model's against those of `keras_variables`."""
    found = {(w.path, tuple(w.shape)) for w in model.weights}
    wanted = {(h.place(v), v.keras_shape) for h in held for v in h.variables}
    theirs, ours = dict(sorted(found - wanted)), dict(sorted(wanted - found))
    assert found == wanted, f"Keras has {theirs}, `keras_variables` {ours}"


def _check_learned(holder: Holder, model: Any, weights: tuple[Weight, ...]) -> None:
    """As many numbers of a layer learn in Keras as in `weights`."""
    places = {holder.place(variable) for variable in holder.variables}
    learned = [w for w in model.trainable_weights if w.path in places]
    held = sum(prod(w.shape) for w in learned)
    count = sum(w.count for w in weights if w.learned and not w.constant)
    said = f"{holder.path}: {held} numbers learn in Keras, {count} in `weights`"
    assert held == count, said


def _check_tensors(model: Any, wanted: dict[str, Weight], counters: set[str]) -> None:
    """A PyTorch model's against those of `weights`."""
    state, parameters = model.state_dict(), dict(model.named_parameters())
    found = {k: tuple(v.shape) for k, v in state.items() if k not in counters}
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


def _channels_last(array: Any, shape: Shape | None) -> Any:
    if shape is None or shape.layout != MAPS:
        return array
    return array.transpose(0, *range(2, array.ndim), 1)


def _channels_first(array: Any, shape: Shape | None) -> Any:
    if shape is None or shape.layout != MAPS:
        return array
    return array.transpose(0, array.ndim - 1, *range(1, array.ndim - 1))
