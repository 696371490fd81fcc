"""A program's definitions enter; the PyTorch function that begins all weights leaves."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from cnnspec.emit.call import Argument, Binary, Call, Code, Keyword
from cnnspec.emit.flow import Condition, Loop
from cnnspec.emit.model import Source, initialised_entries
from cnnspec.emit.quote import factor, literal
from cnnspec.emit.statements import INDENT, Assign, For, If, Statement, write
from cnnspec.expressions import Name
from cnnspec.initializers import Values
from cnnspec.layers.constants import torch_tensor
from cnnspec.layers.layer import Layer, Weight
from cnnspec.spec import Operation

if TYPE_CHECKING:
    from collections.abc import Collection

    from cnnspec.emit.pytorch_walk import Registration, TorchWalk
    from cnnspec.graph import Node
    from cnnspec.spec import Entry

KERNELS = ("nn.Conv1d", "nn.Conv2d", "nn.Conv3d", "nn.Linear")


class Class(NamedTuple):
    """One class of the file by its name."""

    name: str
    walk: TorchWalk


class Kind(NamedTuple):
    """What modules of one kind have in the whole network."""

    learned: bool  # some kernel learns
    constant: bool  # some kernel does not
    biased: frozenset[bool]


def init_weights(source: Source, classes: list[Class]) -> list[str]:
    """The function that begins all weights; a class may draw some of its own otherwise.

    `Module.apply` visits children first, so what a class says of its layers comes last.

    Returns: no line where there is nothing to begin.
    """
    names = {name for made in classes for name in made.walk.modules}
    names |= _parts(source)
    apart = {e: n for made in classes for e, n in made.walk.kernels_apart.items()}
    usual, each = (_kind(source, apart, is_apart) for is_apart in (False, True))
    others = _of_their_own(source)
    body = _kernels(usual, sorted(names & set(KERNELS)))
    body += _kernels_apart(each, sorted(set(apart.values())))
    docs = [_summary(usual, each, bool(others))] if body else ["How weights begin."]
    lines = write(body, INDENT)
    for layer in others:
        test = f"isinstance(module, {layer.torch_class})"
        if any(w.constant for w in _kernels_of(source, layer)):
            test += " and module.weight.requires_grad"
        lines.append(f"    if {test}:")
        lines += [f"        {line}" for line in layer.torch_init.splitlines()]
    copies = False
    for made in classes:
        own: list[Statement] = []
        for entry in initialised_entries(made.walk.definition.body):
            own += _draw(made.walk, entry)
            copies = copies or isinstance(entry.init, Values)
        if own:
            lines += write([If(f"isinstance(module, {made.name})", own)], INDENT)
    if not lines:
        return []
    decorator = ["@torch.no_grad()"] if copies else []
    return [*decorator, "def init_weights(module):", f'    """{docs[0]}"""', *lines]


def begins(source: Source) -> bool:
    """Whether there is anything to begin."""
    return bool(_of_their_own(source)) or any(
        not w.constant for weights in _weights(source).values() for w in weights
    )


def _summary(usual: Kind, apart: Kind, others: bool) -> str:
    learned = usual.learned or apart.learned
    what = "He normal kernels (fan in), zero biases" if learned else "Zero biases"
    if (usual.constant or apart.constant) and learned:
        what = "He normal kernels (fan in) where they learn, zero biases"
    return f"{what}{', where nothing else is said' if others else ''}."


def _of_their_own(source: Source) -> list[type[Layer]]:
    """Operations whose weights begin otherwise than a kernel and its bias."""
    found = {type(node.layer) for node in source.graph.layers}
    return sorted(
        (
            cls
            for cls in found
            if issubclass(cls, Layer)
            and cls.torch_class
            and not all(w.constant for w in _kernels_of(source, cls))
        ),
        key=lambda cls: cls.torch_class,
    )


def _kernels_of(source: Source, cls: type[Layer]) -> list[Weight]:
    return [
        weight
        for node in source.graph.layers
        if node.layer is not None and type(node.layer) is cls
        for weight in node.layer.weights(source.graph.shapes_in(node))
    ]


def _parts(source: Source) -> set[str]:
    """Modules inside of the layers' own."""
    return {
        part
        for node in source.graph.layers
        if node.layer is not None
        for part in node.layer.torch_parts(source.graph.shapes_in(node))
    }


def _weights(source: Source) -> dict[Node, tuple[Weight, ...]]:
    """The tensors of each kernel and its bias."""
    return {
        node: node.layer.weights(source.graph.shapes_in(node))
        for node in source.graph.layers
        if node.layer is not None
        and node.layer.takes_init
        and not node.layer.torch_class
        and node.reuses is None
    }


def _inner(source: Source) -> list[tuple[Weight, ...]]:
    """The tensors of linear layers inside of others, such as an attention's `out_proj`."""
    found = [
        tuple(w for w in layer.weights(source.graph.shapes_in(node)) if "." in w.name)
        for node in source.graph.layers
        if (layer := node.layer) is not None and layer.torch_class
    ]
    return [weights for weights in found if weights]


def _kind(source: Source, apart: Collection[Entry], is_apart: bool) -> Kind:
    """Of the layers whose kernels are drawn apart, or of the others."""
    found = [w for n, w in _weights(source).items() if (n.entry in apart) == is_apart]
    return Kind(
        any(not weights[0].constant for weights in found),
        any(weights[0].constant for weights in found),
        frozenset(
            biased
            for weights in (*found, *([] if is_apart else _inner(source)))
            for biased in _biased(weights)
        ),
    )


def _biased(weights: tuple[Weight, ...]) -> set[bool]:
    """Of each of a layer's kernels whether it has a bias."""
    names = {w.name for w in weights}
    kernels = [name for name in names if name.endswith("weight")]
    return {f"{name.removesuffix('weight')}bias" in names for name in kernels}


def _kernels(kind: Kind, names: list[str]) -> list[Statement]:
    """`if isinstance(module, (nn.Conv2d, nn.Linear)):` and what is done then."""
    if not names:
        return []
    draw: Statement = Assign("", _he_normal("module.weight"))
    body: list[Statement] = [draw] if kind.learned else []
    if kind.learned and kind.constant:
        body = [If("module.weight.requires_grad", body)]
    return _if_instance(names, [*body, *_zeros(kind)])


def _kernels_apart(kind: Kind, names: list[str]) -> list[Statement]:
    """The same for modules with several kernels, each with fans of its own."""
    if not names:
        return []
    draw = For("kernel", "module.kernels()", [Assign("", _he_normal("kernel"))])
    return _if_instance(names, [draw, *_zeros(kind)])


def _if_instance(names: list[str], body: list[Statement]) -> list[Statement]:
    kinds = names[0] if len(names) == 1 else f"({', '.join(names)})"
    test: Code = f"isinstance(module, {kinds})"
    if len(body) == 1 and isinstance(inner := body[0], If):
        test, body = Binary("and", (test, inner.condition)), inner.body
    return [If(test, body)] if body else []


def _he_normal(tensor: str) -> Code:
    options = (tensor, Keyword("nonlinearity", '"relu"'))
    return Call("nn.init.kaiming_normal_", options)


def _zeros(kind: Kind) -> list[Statement]:
    zeros = Assign("", Call("nn.init.zeros_", ("module.bias",)))
    if kind.biased == {True}:
        return [zeros]
    return [If("module.bias is not None", [zeros])] if True in kind.biased else []


def _draw(walk: TorchWalk, entry: Entry) -> list[Statement]:
    """`nn.init.…(module.conv.weight, …)`, over the rounds of a repeat."""
    assert entry.init is not None
    made = [r for r in walk.registrations if r.entry is entry]
    if not made:
        return []
    loops = any(isinstance(context, Loop) for context in made[0].around)
    is_list = loops or (
        isinstance(made[0].code, Call) and made[0].code.func == "nn.Sequential"
    )
    is_list = is_list or made[0].otherwise_identity is not None
    module = "layer" if is_list else f"module.{entry.name}"
    cls = entry.op if isinstance(entry, Operation) else Layer
    headers, tensor = cls.torch_kernels(module, entry.init)
    kinds = cls.torch_class
    if entry in walk.kernels_apart:
        headers, tensor = (f"for kernel in {module}.kernels():",), "kernel"
        kinds = walk.kernels_apart[entry]
    if is_list:
        found = (
            f"for layer in module.{entry.name}.modules():",
            f"if isinstance(layer, {kinds or '(' + ', '.join(KERNELS) + ')'}):",
        )
        headers = (*found, *headers)
    if _may_lack(walk, made[0]):
        headers = (f'if hasattr(module, "{entry.name}"):', *headers)
    usual: Statement = Assign("", _drawn(walk, entry, tensor))
    return _nested(headers, cls.torch_draws(module, entry.init) or [usual])


def _may_lack(walk: TorchWalk, made: Registration) -> bool:
    """Whether a block has the module under a condition only."""
    outside = takewhile(lambda context: not isinstance(context, Loop), made.around)
    training = Condition(
        Name(walk.train_condition)
    )  # such a head's modules always exist
    return any(context != training for context in outside)


def _drawn(walk: TorchWalk, entry: Entry, tensor: str) -> Code:
    """The call that fills a tensor by the entry's `init`."""
    init = entry.init
    assert init is not None
    if isinstance(init, Values):
        return Call(f"{tensor}.copy_", (_values(walk, entry, init),))
    draw = init.pytorch()
    rest: list[Argument] = [literal(value) for value in draw.args]
    rest += [Keyword(name, literal(value)) for name, value in draw.options]
    return Call(draw.function, (tensor, *rest))


def _values(walk: TorchWalk, entry: Entry, init: Values) -> Code:
    """The numbers as a tensor that `copy_` spreads over the kernel."""
    scale = None if init.scale == 1 else factor(init.scale)
    name: Code = walk.given_numbers(entry, init.numbers)
    return torch_tensor(name, init.axes, walk.kernel_axes(entry), scale)


def _nested(headers: tuple[str, ...], inner: list[Statement]) -> list[Statement]:
    """The statements under their headers, `for …:` and `if …:`."""
    for header in reversed(headers):
        word, _, rest = header.removesuffix(":").partition(" ")
        if word == "if":
            inner = [If(rest, inner)]
        else:
            target, _, values = rest.partition(" in ")
            inner = [For(target, values, inner)]
    return inner
