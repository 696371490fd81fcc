"""Attention: a sequence enters, one of the same shape leaves; another may be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.fields import Boolean, Integer, LayerName, Number
from cnnspec.layers.embedding import small_normal
from cnnspec.layers.faults import divisors_near
from cnnspec.layers.layer import (
    EVERYWHERE,
    Kept,
    Layer,
    Misfit,
    Reach,
    Remark,
    Remedy,
    Weight,
    need,
    way_to_positions,
)
from cnnspec.shapes import SEQUENCE, Shape

if TYPE_CHECKING:
    from cnnspec.emit.call import Argument, Code
    from cnnspec.emit.site import Instance, Site, Step, Value
    from cnnspec.initializers import Initializer
    from cnnspec.layers.variables import Line, Variable

TORCH = '''\
class Attention(nn.MultiheadAttention):
    """Gives its output alone, without the attention weights."""

    def forward(self, {arguments}):
{memory}        return super().forward({inputs}, need_weights=False)[0]
'''
TORCH_CAUSAL = '''\
class Attention(nn.MultiheadAttention):
    """Gives its output alone; a causal one sees no position behind its own."""

    def __init__(self, *args, causal=False, **options):
        super().__init__(*args, **options)
        self.causal = causal

    def forward(self, {arguments}):
{memory}        unseen = None
        if self.causal:
            size = x.shape[1], {other}.shape[1]
            unseen = torch.ones(size, dtype=torch.bool, device=x.device).triu(1)
        masked = {{"attn_mask": unseen, "is_causal": self.causal}}
        return super().forward({inputs}, need_weights=False, **masked)[0]
'''
OWN_MEMORY = " " * 8 + "memory = x if memory is None else memory\n"


class Attention(Layer):
    """Multi-head attention: each position collects what it looks for, from all positions.

    From its vector each position makes a query, from the memory's each makes a key and a value
    (dense layers to F features), cut into h heads of d = F/h numbers. In each head a position
    gets the sum of all values, weighted by softmax(query . key / sqrt(d)) over the memory's
    positions. A last dense layer mixes the heads. All four kernels begin normal with a
    deviation of 0.02 (or as `init` says), biases 0.

    Shapes: (L, F) -> (L, F), with a memory of any (M, G).
    Parameters: 2F(F + 1) + 2F(G + 1); the memory is the input itself by default: 4F(F + 1).
    MACs: 2 x L x F x F + 2 x M x G x F for the dense layers, 2 x L x M x F for the products.
    Source: Vaswani et al., "Attention is all you need", 2017, section 3.2.
    """

    op = "attention"
    arity = (1, 2)
    takes_init = True
    torch_class = "nn.MultiheadAttention"
    torch_init = """\
for name, value in module.named_parameters():
    if "weight" in name:
        nn.init.normal_(value, std=0.02)
"""
    example_input = "{length: 20, features: 64}"
    example = "- attention: {heads: 4}"

    heads = Integer(least=1, doc="Number h of heads; it divides the features.")
    causal = Boolean(
        False, doc="Position i sees the memory's first i positions, none behind it."
    )
    bias = Boolean(True, doc="The dense layers add learned numbers.")
    dropout = Number(
        0.0,
        least=0,
        below=1,
        samples=[0.0, 0, 0.1, 0.5],
        doc="Share of attention weights that are dropped in training.",
    )
    memory = LayerName(
        None,
        doc="Name of an earlier layer: the sequence that keys and values are made from "
        "(cross attention); without it the input itself.",
    )

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        for port, shape in enumerate(inputs):
            need(self.op, shape, (SEQUENCE,), port, way_to_positions(shape))
        shape = inputs[0]
        if shape.sizes[1] % self.heads:
            raise Misfit(_indivisible(shape.sizes[1], self.heads))
        return (shape,)

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        own, other = inputs[0].sizes[1], inputs[-1].sizes[1]
        if own == other:
            found = [Weight("in_proj_weight", (3 * own, own))]
        else:
            widths = {"q": own, "k": other, "v": other}
            found = [Weight(f"{n}_proj_weight", (own, w)) for n, w in widths.items()]
        if self.bias:
            found.append(Weight("in_proj_bias", (3 * own,)))
        found.append(Weight("out_proj.weight", (own, own)))
        if self.bias:
            found.append(Weight("out_proj.bias", (own,)))
        return tuple(found)

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        """Kernels turned; what leaves and what enters the heads is cut into them."""
        from cnnspec.layers.variables import Rows, variable, whole

        own, heads = inputs[0].sizes[1], self.heads
        tensors = {weight.name: weight for weight in self.weights(inputs)}
        found = []
        for place, name in enumerate(("query", "key", "value")):
            part = place * own, (place + 1) * own
            if "in_proj_weight" in tensors:
                rows = Rows(tensors["in_proj_weight"], *part)
            else:
                rows = whole(tensors[f"{name[0]}_proj_weight"])
            shape = (heads, -1, rows.weight.shape[1])
            found.append(variable(f"{name}/kernel", rows, shape=shape, axes=(2, 0, 1)))
            if self.bias:
                rows = Rows(tensors["in_proj_bias"], *part)
                found.append(variable(f"{name}/bias", rows, shape=(heads, -1)))
        kernel = tensors["out_proj.weight"]
        mixing = variable(
            "attention_output/kernel", kernel, shape=(own, heads, -1), axes=(1, 2, 0)
        )
        found.append(mixing)
        if self.bias:
            bias = tensors["out_proj.bias"]
            found.append(variable("attention_output/bias", bias))
        return tuple(found)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        (length, own), (others, other) = inputs[0].sizes, inputs[-1].sizes
        dense = 2 * length * own * own + 2 * others * other * own
        return dense + 2 * length * others * own

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        return EVERYWHERE

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        (length, features), others = inputs[0].sizes, inputs[-1].sizes[0]
        # Queries, keys, values, the heads' output, and a softmax's divisor for each row: the
        # attention weights are computed again in the backward pass.
        return Kept(numbers=2 * (length + others) * features + self.heads * length)

    @classmethod
    def torch_kernels(
        cls, module: str, init: Initializer
    ) -> tuple[tuple[str, ...], str]:
        every = f"for name, value in {module}.named_parameters():"
        if init.fan is None:
            return (every, 'if "weight" in name:'), "value"
        # in_proj_weight holds three kernels; each has its own fan out.
        parts = 'for kernel in value.chunk(3 if "in_proj" in name else 1):'
        return (every, 'if "weight" in name:', parts), "kernel"

    def pytorch(self, site: Site) -> list[Step]:
        memory = {}
        if any(i.inputs[0].channels != i.inputs[-1].channels for i in site.instances):
            width = site.number(lambda i: i.inputs[-1].channels)
            memory = {"kdim": width, "vdim": width}
        causal = site.unless(False, causal=site.field("causal"))
        return [
            site.module(
                site.helper("Attention", _torch_source(site)),
                site.channels,
                site.field("heads"),
                **site.unless(0, dropout=site.field("dropout")),
                **site.unless(True, bias=site.field("bias")),
                **memory,
                batch_first=True,
                **causal,
            )
        ]

    def keras(self, site: Site) -> list[Step]:
        from cnnspec.emit.call import Call, Keyword

        layer = site.layer(
            "layers.MultiHeadAttention",
            site.field("heads"),
            site.number(_key_size, *_key_sizes(site)),
            **site.unless(0, dropout=site.field("dropout")),
            **site.unless(True, use_bias=site.field("bias")),
            kernel_initializer=site.initializer(small_normal()),
        )
        causal = site.unless(False, use_causal_mask=site.field("causal"))
        masked = [Keyword(name, site.written(value)) for name, value in causal.items()]

        def apply(x: Code, memory: Code | None = None) -> Code:
            call = layer.apply(x)
            assert isinstance(call, Call)
            args: tuple[Argument, ...] = (x, x if memory is None else memory)
            return call._replace(args=(*args, *masked))

        return [layer._replace(apply=apply)]


def _torch_source(site: Site) -> str:
    """The class, with what the network's layers need of it."""
    causal = site.given_anywhere("attention", "causal")
    memory = site.given_anywhere("attention", "memory")
    other = "memory" if memory else "x"
    return (TORCH_CAUSAL if causal else TORCH).format(
        arguments="x, memory=None" if memory else "x",
        memory=OWN_MEMORY if memory else "",
        inputs=f"x, {other}, {other}",
        other=other,
    )


def _key_size(instance: Instance) -> int:
    shape, heads = instance.inputs[0], instance.layer.values["heads"]
    size: int = shape.sizes[1] // heads
    return size


def _key_sizes(site: Site) -> list[Value]:
    """Candidates for it: the channels by the heads."""
    from cnnspec.expressions import Binary, Expr, Literal

    parts = [
        v if isinstance(v, Expr) else Literal(v)
        for v in (site.channels, site.field("heads"))
    ]
    return [Binary("//", *parts)]


def _indivisible(features: int, heads: int) -> Remark:
    """CS313, with the divisors nearest to what was asked for."""
    divisors = divisors_near(features, heads)
    return Remark(
        "CS313",
        "heads do not divide the features",
        f"{features} features, {heads} heads",
        field="heads",
        port=0,
        remedies=tuple(Remedy({"heads": n}, f"heads {n}") for n in divisors[:3]),
    )
