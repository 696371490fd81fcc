"""Runs the Keras program of a folder: `python -m cnnspec.verify.keras_side FOLDER`.

It looks for what each layer of the reference makes in a run of the program, and trains the
program a few steps. It waits for a line on standard input before it reads what PyTorch's side
has written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType, SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.ops.operation import Operation
from safetensors.numpy import load_file, save_file

from cnnspec.verify.exchange import (
    ONE_STEP,
    STEPS,
    Exchange,
    first_line,
    main,
    rates_of,
    unlike,
)
from cnnspec.verify.kernels import compose_in_float64, composed
from cnnspec.verify.loading import PROGRAM, load_program
from cnnspec.verify.looking import Look
from cnnspec.verify.matching import Array, Run
from cnnspec.verify.nodes import Watched

# TensorFlow's words where it has no kernel for a type on the CPU.
NO_KERNEL = (
    "is not in the list of allowed values",
    "has DataType float64 not in list of allowed values",
    "Could not find device for node",
)


def run(exchange: Exchange) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(exchange.facts["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(1)
    compose_in_float64()
    sys.stdin.readline()
    weights = load_file(exchange.folder / "weights-keras.safetensors")
    for pass_ in ("serving", "training"):
        search(exchange, pass_, weights)
    exchange.save("composed", sorted(composed))
    print("layers", flush=True)
    stage = sys.stdin.readline().strip()
    if stage == STEPS and not exchange.facts["trained"]:
        differentiate(exchange, weights)
    elif stage in (STEPS, ONE_STEP):
        train(exchange, weights, float64=stage == STEPS)
    print("steps", flush=True)


def use(float64: bool) -> None:
    keras.utils.clear_session()
    kind = "float64" if float64 else "float32"
    keras.config.set_floatx(kind)
    keras.config.set_dtype_policy(kind)


def build(
    exchange: Exchange,
    weights: dict[str, Array],
    float64: bool = False,
    serving: bool = False,
) -> keras.Model:
    """The model of the program; in float64 with all constants rounded."""
    use(float64)
    (module,) = load_program(exchange.folder / "keras", ("model",), float64)
    return make(module, exchange, weights, serving)


def make(
    module: ModuleType,
    exchange: Exchange,
    weights: dict[str, Array],
    serving: bool = False,
) -> keras.Model:
    function = getattr(module, exchange.facts["function"])
    heads = exchange.facts["heads"] and not serving
    model = function(training=True) if heads else function()
    assign(model, weights, exchange)
    for layer in model._flatten_layers():
        for name in ("rate", "dropout", "recurrent_dropout"):
            if name in vars(layer):  # not one that its cell has
                setattr(layer, name, 0.0)
    return model


def assign(model: keras.Model, weights: dict[str, Array], exchange: Exchange) -> None:
    """Gives the variables their weights; the program's constants stay as they are."""
    own = {v.path: tuple(v.shape) for v in model.weights if "seed" not in v.path}
    given = {path: value.shape for path, value in weights.items()}
    exchange.save("keras-unlike", unlike(own, given))
    for variable in model.weights:
        path = variable.path
        if path not in exchange.facts["keras_constants"] and own.get(path) == given.get(
            path
        ):
            variable.assign(weights[path])


def inputs_of(exchange: Exchange, pass_: str) -> list[Any]:
    """Channels last, float64 in training."""
    found = []
    for name, value in exchange.inputs(pass_).items():
        value = channels_last(value) if exchange.facts["maps"][name] else value
        if pass_ == "training" and value.dtype == np.float32:
            value = value.astype(np.float64)
        found.append(value)
    return found


def channels_last(value: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(value, 1, -1))


def there(node: Watched, array: Array) -> Array:
    return np.moveaxis(array, 1, -1) if node.layout == "maps" else array


def here(node: Watched, array: Array) -> Array:
    return np.moveaxis(array, -1, 1) if node.layout == "maps" else array


def search(exchange: Exchange, pass_: str, weights: dict[str, Array]) -> None:
    """Looks for each layer's value in a run of the program, and writes its outputs."""
    inputs = inputs_of(exchange, pass_)
    count = len(inputs[0])
    sizes = {
        there(node, np.empty((count, *node.sizes), np.bool_)).shape
        for node in exchange.nodes
    }
    found, fault = Run(), ""
    seen = recording(found, sizes)
    model: keras.Model | None = None
    try:
        with seen:
            model = build(exchange, weights, pass_ == "training")
            call(model, inputs, pass_)
    except Exception as error:
        if pass_ == "training" and any(words in str(error) for words in NO_KERNEL):
            exchange.save("no-float64", kernel_in(str(error)))
            return
        fault = first_line(error)
        if seen.last is not None and model is None:
            with seen, suppress(Exception):
                call_unfinished(seen.last, exchange, weights, inputs, pass_)
    if model is not None:
        found.unread = seen.made - {op.name for op in model.operations}
    Look(exchange, pass_, found, there, here, fault).save("keras")
    if pass_ == "training" or fault or model is None:
        return
    known = {variable.path: variable.numpy() for variable in model.weights}
    serving = build(exchange, known, serving=True) if exchange.facts["heads"] else model
    outputs = by_name(call(serving, inputs, pass_))
    maps = exchange.facts["maps"]
    arrays = {
        name: np.ascontiguousarray(np.moveaxis(value, -1, 1) if maps[name] else value)
        for name, value in ((n, np.asarray(v)) for n, v in outputs.items())
    }
    save_file(arrays, exchange.folder / "keras-outputs.safetensors")


def kernel_in(message: str) -> str:
    """TensorFlow's operation that a message is about, or the layer that calls it."""
    found = re.search(
        r"\[Op:(\w+)\]|Op<name=(\w+)|node (\w+)|dtype of '([^']+)'", message
    )
    return next(filter(None, found.groups()), "") if found else "an operation"


def call(model: keras.Model, inputs: list[Any], pass_: str) -> Any:
    given = inputs[0] if len(inputs) == 1 else inputs
    return model(given, training=pass_ == "training")


def call_unfinished(
    last: keras.KerasTensor,
    exchange: Exchange,
    weights: dict[str, Array],
    inputs: list[Any],
    pass_: str,
) -> None:
    """Runs what there is of a model that can't be built whole."""
    given = dict(zip(exchange.facts["inputs"], inputs, strict=True))
    sources = keras.utils.get_source_inputs(last)
    names = [tensor.name for tensor in sources]
    if not set(names) <= given.keys():
        return
    model = keras.Model(sources, last)
    assign(model, weights, exchange)
    call(model, [given[name] for name in names], pass_)


def by_name(outputs: Any) -> dict[str, Any]:
    return outputs if isinstance(outputs, dict) else {"output": outputs}


class recording:
    """Within it, what Keras' layers and operations make is kept, where its shape is asked for.

    `made` are the names of those in a model that is being built, `last` what the last one makes.
    """

    def __init__(self, run: Run, shapes: set[tuple[int, ...]]) -> None:
        self.run, self.shapes = run, shapes
        self.last: keras.KerasTensor | None = None
        self.made: set[str] = set()
        self.depth = 0

    def __enter__(self) -> None:
        self.calls = {cls: cls.__call__ for cls in (Operation, keras.Layer)}
        for cls, original in self.calls.items():
            cls.__call__ = self.kept(original)

    def __exit__(self, *error: object) -> None:
        for cls, original in self.calls.items():
            cls.__call__ = original

    def kept(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(operation: Any, *args: Any, **options: Any) -> Any:
            self.depth += 1
            try:
                result = original(operation, *args, **options)
            finally:
                self.depth -= 1
            values = list(tensors_in(result))
            for value in values:
                name = operation.name if len(values) == 1 else ""
                if isinstance(value, keras.KerasTensor):
                    self.run.promise(tuple(value.shape), name)
                    if not self.depth:
                        self.last = value
                        self.made.add(operation.name)
                elif tuple(value.shape) in self.shapes or name:
                    self.run.add(np.asarray(value), name)
            return result

        return recorded


def tensors_in(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, tf.Tensor | keras.KerasTensor):
        yield value


def train(exchange: Exchange, weights: dict[str, Array], float64: bool) -> None:
    """Trains the program by its own step; writes losses, first gradients and last weights.

    Args:
        float64: else it is one step, in float32.
    """
    use(float64)
    _, module, program = load_program(exchange.folder / "keras", PROGRAM, float64)
    model = make(module, exchange, weights)
    count = exchange.facts["steps"] if float64 else 1
    optimizer = program.make_optimizer(model)
    rates = rates_of(program, count)
    losses: list[float] = []
    gradient = tf.GradientTape.gradient

    def keep(loss: Array, *gradients: Array) -> None:
        if not losses:
            save_gradients(exchange, model, list(gradients))
        losses.append(float(loss))

    def watched(tape: Any, loss: Any, sources: Any) -> Any:
        found = gradient(tape, loss, sources)
        tf.numpy_function(keep, [loss, *dense(found, sources)], [])
        return found

    def on_tensors(*arrays: Any) -> tf.Tensor:
        return steps(*tf.nest.map_structure(tf.constant, arrays))

    program.to_input = lambda x: x
    program.batches = lambda data, groups: batches(exchange, float64)
    samples = exchange.facts["samples"]
    order = np.arange(samples * count)
    bar = SimpleNamespace(update=lambda count: None)
    tf.GradientTape.gradient = watched
    try:
        with without_signatures():
            steps, _ = program.make_steps(model, optimizer, *rates)
        program.run_epoch(on_tensors, None, order, samples, bar)
    finally:
        tf.GradientTape.gradient = gradient
    exchange.save("keras-losses", losses)
    arrays = {variable.path: variable.numpy() for variable in model.weights}
    save_file(arrays, exchange.folder / "keras-weights.safetensors")


@contextmanager
def without_signatures() -> Iterator[None]:
    """Graph functions take whatever numbers they are given: bytes are float64 here."""
    function = tf.function

    def free(*args: Any, input_signature: Any = None, **options: Any) -> Any:
        return function(*args, **options)

    tf.function = free
    try:
        yield
    finally:
        tf.function = function


def batches(exchange: Exchange, float64: bool) -> Iterator[Any]:
    """Groups of one step each."""
    last = exchange.facts["maps"][next(iter(exchange.facts["inputs"]))]
    for x, y in exchange.steps(float64):
        given = (channels_last(x) if last else x)[np.newaxis]
        if y is None:
            yield given
        elif isinstance(y, dict):
            yield given, {name: values[np.newaxis] for name, values in y.items()}
        else:
            yield given, y[np.newaxis]


def differentiate(exchange: Exchange, weights: dict[str, Array]) -> None:
    """Gradients of the outputs' sum with given factors: there is no loss."""
    model = build(exchange, weights, True)
    maps = exchange.facts["maps"]
    factors = {
        name: channels_last(values) if maps[name] else values
        for name, values in exchange.projections().items()
    }

    # Some gradients are there in a graph alone.
    @tf.function  # type: ignore[untyped-decorator]
    def derive(inputs: list[Any]) -> Any:
        with tf.GradientTape() as tape:
            outputs = by_name(call(model, inputs, "training"))
            products = [outputs[name] * factors[name] for name in factors]
            loss = tf.add_n([tf.reduce_sum(product) for product in products])
        sources = model.trainable_variables
        found = tape.gradient(loss, [variable.value for variable in sources])
        return loss, dense(found, sources)

    loss, gradients = derive(
        [tf.constant(value) for value in inputs_of(exchange, "training")]
    )
    exchange.save("keras-losses", [float(loss)])
    save_gradients(exchange, model, [gradient.numpy() for gradient in gradients])


def dense(gradients: Any, sources: Any) -> list[Any]:
    """Gradients as whole tensors; zeros where nothing depends on a variable."""
    return [
        tf.zeros(variable.shape, variable.dtype)
        if gradient is None
        else tf.convert_to_tensor(gradient)
        for gradient, variable in zip(gradients, sources, strict=True)
    ]


def save_gradients(
    exchange: Exchange, model: keras.Model, gradients: list[Array]
) -> None:
    paths = [variable.path for variable in model.trainable_variables]
    arrays = dict(zip(paths, map(np.ascontiguousarray, gradients), strict=True))
    save_file(arrays, exchange.folder / "keras-gradients.safetensors")


if __name__ == "__main__":
    main("keras", run)
