"""Runs the PyTorch program of a folder: `python -m cnnspec.verify.pytorch_side FOLDER`.

It draws the weights, and tells what each layer of the reference makes; then it looks for these
in a run of the program, and trains the program a few steps. Each line that it prints names a
stage whose results lie in the folder.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from cnnspec.verify.exchange import (
    LIMITS,
    ONE_STEP,
    STEPS,
    Exchange,
    first_line,
    main,
    rates_of,
    unlike,
)
from cnnspec.verify.loading import PROGRAM, load_program, rounded
from cnnspec.verify.looking import Look
from cnnspec.verify.matching import Array, Run

State = dict[str, torch.Tensor]
DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")


def run(exchange: Exchange) -> None:
    torch.set_num_threads(exchange.facts["threads"])
    facts = exchange.facts
    torch.manual_seed(facts["seed"])
    state = draw_weights(build(exchange, "reference"), facts)
    save(exchange, "weights", state)
    print("weights", flush=True)
    no_dropout()
    inputs, wide = (
        [torch.from_numpy(value) for value in exchange.inputs(pass_).values()]
        for pass_ in LIMITS
    )
    wide = [widened(tensor) for tensor in wide]
    tell(exchange, "serving", build(exchange, "reference", state), inputs)
    tell(exchange, "training", build(exchange, "reference", state, True), wide)
    print("reference", flush=True)
    search(exchange, "serving", build(exchange, "pytorch", state), inputs)
    search(exchange, "training", build(exchange, "pytorch", state, True), wide)
    print("layers", flush=True)
    stage = sys.stdin.readline().strip()
    float64 = stage == STEPS
    if stage in (STEPS, ONE_STEP) and facts["trained"]:
        train(exchange, state, "pytorch", float64)
        train(exchange, nudged(state, float64), "nudged", float64)
        if not float64:
            train(exchange, state, "turned", float64, turned=True)
    elif stage in (STEPS, ONE_STEP):
        differentiate(exchange, state, wide)
    print("steps", flush=True)


def build(
    exchange: Exchange, which: str, state: State | None = None, float64: bool = False
) -> nn.Module:
    """The model of a program; in float64 with all constants rounded."""
    given = {"_watch": lambda module, name, value: value}
    torch.set_default_dtype(torch.float64 if float64 else torch.float32)
    (module,) = load_program(exchange.folder / which, ("model",), float64, given)
    return make(module, exchange, state, float64)


def make(
    module: ModuleType, exchange: Exchange, state: State | None, float64: bool
) -> nn.Module:
    model: nn.Module = getattr(module, exchange.facts["class"])()
    if float64:
        model.to(torch.float64)
        for part in model.modules():
            round_numbers(vars(part))
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                # Keras rounds the other share: 0.9, not 0.1.
                part.momentum = 1 - rounded(1 - (part.momentum or 0))
    if state is not None:
        own = model.state_dict()
        exchange.save("pytorch-unlike", unlike(sizes(own), sizes(state)))
        constants = exchange.facts["pytorch_constants"]  # stay as the program has them
        fitting = {
            name: value
            for name, value in state.items()
            if name in own and own[name].shape == value.shape and name not in constants
        }
        model.load_state_dict(fitting, strict=False)
    return model


def sizes(state: State) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def round_numbers(values: dict[str, Any]) -> None:
    """What modules and optimizers have by default, such as an epsilon, in float32 too."""
    for name, value in values.items():
        if type(value) is float:
            values[name] = rounded(value)
        elif type(value) is tuple and all(type(item) is float for item in value):
            values[name] = tuple(map(rounded, value))


def widened(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def draw_weights(model: nn.Module, facts: dict[str, Any]) -> State:
    """The weights that the program begins with, but for those that are all the same.

    Ones and zeros would hide a missing bias, or channels in another order.
    """
    generator = torch.Generator().manual_seed(facts["seed"])
    state = model.state_dict()
    for name, value in state.items():
        if (
            name in facts["pytorch_constants"]
            or not value.is_floating_point()
            or not value.dim()
        ):
            continue
        if "running_var" in name:
            value.uniform_(0.5, 2, generator=generator)
        elif not value.any():  # biases and running means
            value.normal_(0, 0.1, generator=generator)
        elif (value == value.flatten()[0]).all():
            value.uniform_(0.5, 1.5, generator=generator)
    return state


def no_dropout() -> None:
    """Masks are drawn otherwise in each framework: nothing is dropped."""
    for name in DROPOUTS:
        setattr(F, name, lambda x, *args, **options: x)


def all_outputs(model: nn.Module, pass_: str, inputs: list[torch.Tensor]) -> Any:
    """One forward; heads of training answer in evaluation, too."""
    model.train(pass_ == "training")
    model.training = True
    for part in model.modules():
        if isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0
    return model(*inputs)


def tell(
    exchange: Exchange, pass_: str, model: nn.Module, inputs: list[torch.Tensor]
) -> None:
    """Writes what each layer of the reference makes."""
    paths = {id(part): path for path, part in model.named_modules()}
    told: dict[tuple[str, str], list[Any]] = defaultdict(list)

    def watch(module: nn.Module, name: str, value: Any) -> Any:
        told[paths[id(module)], name].append(value)
        return value

    type(model).forward.__globals__["_watch"] = watch
    made = module_outputs(model)
    with torch.no_grad():
        all_outputs(model, pass_, inputs)
    found = {}
    for index, node in enumerate(exchange.nodes):
        values, turn = told.get((node.scope, node.name), []), node.turn
        if not values:
            values, turn = made.get(node.module, []), node.call
        if node.left or turn >= len(values):
            continue
        value = values[turn]
        value = value[node.port] if isinstance(value, tuple | list) else value
        found[str(index)] = np.ascontiguousarray(value.numpy())
    save_file(found, exchange.folder / f"reference-{pass_}.safetensors")


def module_outputs(model: nn.Module) -> dict[str, list[Any]]:
    """What each module makes, by its path, once the model has run."""
    made: dict[str, list[Any]] = defaultdict(list)

    def recorder(path: str) -> Callable[..., None]:
        return lambda module, inputs, output: made[path].append(output)

    for path, part in model.named_modules():
        part.register_forward_hook(recorder(path))
    return made


class Recording(TorchFunctionMode):
    """Keeps what PyTorch's functions make, where it has the shape of some layer's value."""

    def __init__(self, run: Run, shapes: set[tuple[int, ...]]) -> None:
        super().__init__()
        self.run, self.shapes = run, shapes

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tensors_in(result):
            if tuple(value.shape) in self.shapes:
                self.run.add(value.detach().numpy())
        return result


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def search(
    exchange: Exchange, pass_: str, model: nn.Module, inputs: list[torch.Tensor]
) -> None:
    """Looks for each layer's value in a run of the program, and writes its outputs."""
    count = len(inputs[0])
    found = Run()
    made = module_outputs(model)
    fault = ""
    with torch.no_grad():
        shapes = {(count, *node.sizes) for node in exchange.nodes}
        try:
            with Recording(found, shapes):
                outputs = all_outputs(model, pass_, inputs)
            if pass_ == "serving":
                outputs = model.eval()(*inputs)
                save(exchange, "pytorch-outputs", by_name(outputs))
        except Exception as error:
            fault = first_line(error)
    for path, values in made.items():
        for value in tensors_in(values[:1]):
            found.add(value.numpy(), path)
    found.idle = {path for path, _ in model.named_modules()} - made.keys()
    Look(exchange, pass_, found, unmoved, unmoved, fault).save("pytorch")


def unmoved(node: Any, array: Array) -> Array:
    """The reference is a PyTorch model, too."""
    return array


def by_name(outputs: Any) -> dict[str, torch.Tensor]:
    return outputs if isinstance(outputs, dict) else {"output": outputs}


def train(
    exchange: Exchange,
    state: State,
    name: str,
    float64: bool,
    turned: bool = False,
) -> None:
    """Trains the program by its own step; writes losses, first gradients and last weights.

    Args:
        float64: else it is one step, in float32.
        turned: with the channels last in memory.
    """
    torch.set_default_dtype(torch.float64 if float64 else torch.float32)
    _, module, program = load_program(exchange.folder / "pytorch", PROGRAM, float64)
    model = make(module, exchange, state, float64)
    optimizer = program.make_optimizer(model)
    if float64:
        for group in optimizer.param_groups:
            round_numbers(group)
    steps = list(exchange.steps(float64))

    def to_input(x: Array, device: torch.device) -> torch.Tensor:
        tensor = torch.from_numpy(x)
        return tensor.contiguous(memory_format=format_of(tensor.dim(), turned))

    for parameter in model.parameters():
        kind = format_of(parameter.dim(), turned)
        parameter.data = parameter.data.contiguous(memory_format=kind)
    program.batches = lambda data, groups: (
        x if y is None else (x, y) for x, y in steps
    )
    program.to_input = to_input
    losses: list[float] = []
    backward = torch.Tensor.backward

    def watched(loss: torch.Tensor) -> None:
        backward(loss)  # type: ignore[no-untyped-call]
        if not losses:
            save(exchange, f"{name}-gradients", gradients(model))
        losses.append(loss.item())

    samples = exchange.facts["samples"]
    order = np.arange(len(steps) * samples)
    bar = SimpleNamespace(update=lambda count: None)
    torch.Tensor.backward = watched  # type: ignore[assignment, method-assign]
    try:
        rates = rates_of(program, len(steps))
        program.run_epoch(model, None, order, samples, bar, optimizer, *rates)
    finally:
        torch.Tensor.backward = backward  # type: ignore[method-assign]
    exchange.save(f"{name}-losses", losses)
    save(exchange, f"{name}-weights", model.state_dict())


def nudged(state: State, float64: bool) -> State:
    """Weights that differ by a rounding: how far a training carries that is its own noise."""
    generator = torch.Generator().manual_seed(1)
    size = torch.finfo(torch.float64 if float64 else torch.float32).eps
    found = {}
    for name, value in state.items():
        found[name] = value
        if value.is_floating_point():
            wide = value.double()
            noise = torch.rand(wide.shape, generator=generator, dtype=torch.float64)
            found[name] = wide * (1 + size * (2 * noise - 1))
    return found


def format_of(axes: int, turned: bool) -> torch.memory_format:
    found = {4: torch.channels_last, 5: torch.channels_last_3d}
    return found[axes] if turned and axes in found else torch.contiguous_format


def differentiate(exchange: Exchange, state: State, inputs: list[torch.Tensor]) -> None:
    """Gradients of the outputs' sum with given factors: there is no loss."""
    model = build(exchange, "pytorch", state, True)
    outputs = by_name(all_outputs(model, "training", inputs))
    loss = torch.zeros(())
    for name, factors in exchange.projections().items():
        loss = loss + (outputs[name] * torch.from_numpy(factors)).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    exchange.save("pytorch-losses", [loss.item()])
    save(exchange, "pytorch-gradients", gradients(model))


def gradients(model: nn.Module) -> State:
    """Of what is trained; zeros where nothing depends on it."""
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad
        for name, p in model.named_parameters()
        if p.requires_grad
    }


def save(exchange: Exchange, name: str, tensors: State) -> None:
    arrays = {n: np.ascontiguousarray(t.detach().numpy()) for n, t in tensors.items()}
    save_file(arrays, exchange.folder / f"{name}.safetensors")


if __name__ == "__main__":
    main("pytorch", run)
