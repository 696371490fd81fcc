"""Tokens enter, a sequence of learned vectors leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.fields import Integer
from cnnspec.layers.layer import INDEX, Kept, Layer, Weight, only
from cnnspec.shapes import SEQUENCE, TOKENS, Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step
    from cnnspec.initializers import Initializer
    from cnnspec.layers.variables import Line, Variable


class Embedding(Layer):
    """A learned vector for each token id: a table of V rows, read by row.

    It equals a dense layer without bias on one-hot vectors of the vocabulary's size V, so a
    distribution's fan in is V, its fan out F. Without `init` the vectors begin normal with a
    deviation of 0.02.

    Shapes: (L) -> (L, F).
    Parameters: V x F.
    MACs: none, rows are looked up.
    Source: Bengio et al., "A neural probabilistic language model", 2003; the first values are
    those of Radford et al., "Improving language understanding by generative pre-training", 2018.
    """

    op = "embedding"
    takes_init = True
    torch_class = "nn.Embedding"
    torch_init = "nn.init.normal_(module.weight, std=0.02)\n"
    example_input = "{length: 20, vocabulary: 5000}"
    example = "- embedding: {features: 64}"

    features = Integer(least=1, doc="Numbers F of a token's vector.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(
            self.op,
            inputs,
            (TOKENS,),
            help="an input of tokens is `{length: 20, vocabulary: 5000}`",
        )
        return (Shape(SEQUENCE, (*shape.sizes, self.features)),)

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        assert inputs[0].vocabulary is not None
        return (Weight("weight", (inputs[0].vocabulary, self.features)),)

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        from cnnspec.layers.variables import variable

        return (variable("embeddings", *self.weights(inputs)),)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(inputs=False, bytes=INDEX * inputs[0].elements)

    @classmethod
    def torch_kernels(
        cls, module: str, init: Initializer
    ) -> tuple[tuple[str, ...], str]:
        # PyTorch takes the second axis for the fan in.
        return (), f"{module}.weight" + (".T" if init.fan else "")

    def pytorch(self, site: Site) -> list[Step]:
        return [
            site.module(
                "nn.Embedding", site.number(_vocabulary), site.field("features")
            )
        ]

    def keras(self, site: Site) -> list[Step]:
        return [
            site.layer(
                "layers.Embedding",
                site.number(_vocabulary),
                site.field("features"),
                embeddings_initializer=site.initializer(small_normal()),
            )
        ]


def small_normal() -> Initializer:
    """How transformers' weights begin."""
    from cnnspec.initializers import Normal

    return Normal({"stddev": 0.02})


def _vocabulary(instance: Instance) -> int:
    size = instance.inputs[0].vocabulary
    assert size is not None
    return size
