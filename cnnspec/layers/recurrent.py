"""Recurrent layers: a sequence enters, a sequence or a vector leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cnnspec.fields import Boolean, Integer, LayerName
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
from cnnspec.shapes import SEQUENCE, VECTOR, Shape, describe, vector

if TYPE_CHECKING:
    from cnnspec.emit.call import Code
    from cnnspec.emit.site import Site, Step
    from cnnspec.initializers import Initializer
    from cnnspec.layers.variables import Line, Rows, Variable

BEGIN = """\
for name, value in module.named_parameters():
    if "weight_ih" in name:
        nn.init.xavier_uniform_(value)
    elif "weight_hh" in name:
        nn.init.orthogonal_(value)
    else:
        nn.init.zeros_(value)
"""
BEGIN_LSTM = f"""\
{BEGIN.rstrip()}
        forget = slice(module.hidden_size, 2 * module.hidden_size)
        nn.init.ones_(value[forget])
"""
TORCH_LSTM = '''\
class LSTM(nn.LSTM):
    """The state at each position, or the last; with one bias, not nn.LSTM's two."""

    def __init__(self, features, units, *, sequence=False, **options):
        super().__init__(features, units, batch_first=True, **options)
        self.sequence = sequence
        for name, bias in list(self.named_parameters()):
            if "bias_hh" in name:  # it would learn the same as bias_ih
                delattr(self, name)
                self.register_buffer(name, None, persistent=False)
                setattr(self, name, torch.zeros_like(bias))
'''
TORCH_GRU = '''\
class GRU(nn.GRU):
    """Gives the state at each position, or the last one alone."""

    def __init__(self, features, units, *, sequence=False, **options):
        super().__init__(features, units, batch_first=True, **options)
        self.sequence = sequence
'''
FORWARD = """
    def forward(self, x):
        x, {last} = super().forward(x)
        return x if self.sequence else last.transpose(0, 1).flatten(1)
"""
FORWARD_FROM = """
    def forward(self, x, state=None):
        if state is not None:
            state = torch.stack([state] * (1 + self.bidirectional))
{cell}        x, {last} = super().forward(x, state)
        return x if self.sequence else last.transpose(0, 1).flatten(1)
"""


class Recurrent(Layer):
    """What LSTM and GRU share: a state that is carried from position to position."""

    arity = (1, 2)
    takes_init = True
    counts_depth = True
    gates: ClassVar[int]  # matrices that read the input
    biases: ClassVar[int]  # vectors of a number per unit of each gate
    keras_layer: ClassVar[str]
    keras_gates: ClassVar[tuple[int, ...]]  # PyTorch's, by number, in Keras' order
    __slots__ = ()

    units = Integer(least=1, doc="Numbers u of the state.")
    sequence = Boolean(
        False, doc="Gives the state at each position; `false`: the last one alone."
    )
    bidirectional = Boolean(
        False,
        doc="Reads the sequence from its end, too, with other weights: 2u numbers at each "
        "position, those of the way back behind the others.",
    )
    bias = Boolean(True, doc="Adds learned numbers in each gate.")
    initial_state = LayerName(
        None,
        doc="Name of an earlier layer: a vector of u numbers, the state before the first "
        "position (in both directions); without it they are 0.",
    )

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape, *states = inputs
        need(self.op, shape, (SEQUENCE,), help=way_to_positions(shape))
        for state in states:
            if state != vector(self.units):
                raise Misfit(self._unfit(state))
        width = self.units * self._directions
        if self.sequence:
            return (Shape(SEQUENCE, (shape.sizes[0], width)),)
        return (vector(width),)

    def _unfit(self, state: Shape) -> Remark:
        """CS312, with the number of units that the state has."""
        remedy = Remedy({"units": state.sizes[0]}, f"units {state.sizes[0]}")
        return Remark(
            "CS312",
            f"the initial state of `{self.op}` is not a vector of its units",
            f"gets {describe(state)}, takes a vector of {self.units}",
            field="initial_state",
            port=1,
            remedies=(remedy,) if state.layout == VECTOR else (),
            help=None if state.layout == VECTOR else "put `dense` before it",
        )

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        features, units = inputs[0].sizes[1], self.units
        rows = self.gates * units
        one = [
            Weight("weight_ih_l0", (rows, features)),
            Weight("weight_hh_l0", (rows, units)),
        ]
        names = ("bias_ih_l0", "bias_hh_l0")[: self.biases] if self.bias else ()
        one += [Weight(name, (rows,)) for name in names]
        back = [w._replace(name=f"{w.name}_reverse") for w in one]
        return (*one, *back) if self.bidirectional else tuple(one)

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        weights = self.weights(inputs)
        if not self.bidirectional:
            return self._cell("", weights)
        there, back = weights[: len(weights) // 2], weights[len(weights) // 2 :]
        directions = {"forward": there, "backward": back}
        return tuple(
            [
                v
                for d, ws in directions.items()
                for v in self._cell(f"{d}_{self.op}/", ws)
            ]
        )

    def _cell(self, within: str, weights: tuple[Weight, ...]) -> tuple[Variable, ...]:
        """Kernels turned, with the gates in Keras' order; both biases are one variable."""
        from cnnspec.layers.variables import Rows, variable

        def gates(weight: Weight) -> list[Rows]:
            size = self.units
            return [Rows(weight, g * size, (g + 1) * size) for g in self.keras_gates]

        cell = f"{within}{self.op}_cell"
        read, carried, *biases = weights
        found = [
            variable(f"{cell}/kernel", *gates(read), axes=(1, 0)),
            variable(f"{cell}/recurrent_kernel", *gates(carried), axes=(1, 0)),
        ]
        if biases:
            rows = [part for bias in biases for part in gates(bias)]
            shape = (2, -1) if self.biases == 2 else None
            found.append(variable(f"{cell}/bias", *rows, shape=shape))
        return tuple(found)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        length, features = inputs[0].sizes
        per_position = self.gates * self.units * (features + self.units)
        return self._directions * length * per_position

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        return EVERYWHERE

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        # At each position the gates, the state and what they were made of: seven numbers of a
        # unit in an LSTM as in a GRU.
        numbers = 7 * self.units * inputs[0].sizes[0]
        return Kept(numbers=self._directions * numbers)

    @classmethod
    def torch_kernels(
        cls, module: str, init: Initializer
    ) -> tuple[tuple[str, ...], str]:
        every = f"for name, value in {module}.named_parameters():"
        return (every, 'if "weight_ih" in name:'), "value"

    def pytorch(self, site: Site) -> list[Step]:
        has_states = site.given_anywhere(self.op, "initial_state")
        return [
            site.module(
                site.helper(type(self).__name__, self.torch_source(has_states)),
                site.channels,
                site.field("units"),
                **site.unless(False, sequence=site.field("sequence")),
                **site.unless(False, bidirectional=site.field("bidirectional")),
                **site.unless(True, bias=site.field("bias")),
            )
        ]

    def torch_source(self, has_states: bool) -> str:
        raise NotImplementedError

    def keras(self, site: Site) -> list[Step]:
        both = site.common(
            lambda i: i.layer.values["bidirectional"],
            "`bidirectional`",
            "bidirectional",
        )
        begin = {}
        if site.init is not None:
            begin["kernel_initializer"] = site.initializer(site.init)
        options = {
            **site.unless(False, return_sequences=site.field("sequence")),
            **site.unless(True, use_bias=site.field("bias")),
            **begin,
        }
        layer, units = f"layers.{self.keras_layer}", site.field("units")
        if both:  # without a name of its own, the inner one would have a number
            inner = site.made(layer, units, **options, name=self.op)
            step = site.layer("layers.Bidirectional", inner)
        else:
            step = site.layer(layer, units, **options)
        return [self._from_state(step)]

    def _from_state(self, step: Step) -> Step:
        """The call with the state before the first position, where there is one."""
        from cnnspec.emit.call import Call, Keyword

        def apply(x: Code, *states: Code) -> Code:
            call = step.apply(x)
            assert isinstance(call, Call)
            given = [Keyword("initial_state", self.keras_state(s)) for s in states]
            return call._replace(args=(*call.args, *given))

        return step._replace(apply=apply)

    def keras_state(self, state: Code) -> Code:
        raise NotImplementedError


class LSTM(Recurrent):
    """Long short-term memory: a state h and a cell c, carried from position to position.

    i, f, o = sigmoid(W x + U h + b), each with its own W, U and b, and g likewise with tanh;
    then c = f x c + i x g and h = o x tanh(c). The output is h. A cell begins at 0, as h does
    where there is no `initial_state`. W begins Glorot uniform (or as `init` says), U
    orthogonal, b 0 and the forget gate's 1.

    Shapes: (L, F) -> (u); with `sequence` (L, u); twice u where `bidirectional`.
    Parameters: 4u(F + u + 1), in each direction. PyTorch's own LSTM has a second bias, which
    would learn the same: it is left at 0.
    MACs: L x 4u(F + u), in each direction.
    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997, with the forget gate of
    Gers et al., "Learning to forget", 2000.
    """

    op = "lstm"
    gates, biases = 4, 1
    keras_gates = (0, 1, 2, 3)
    torch_class = "nn.LSTM"
    torch_init = BEGIN_LSTM
    keras_layer = "LSTM"
    example_input = "{length: 20, features: 64}"
    example = "- lstm: {units: 128, sequence: true}"

    def torch_source(self, has_states: bool) -> str:
        cell = " " * 12 + "state = state, torch.zeros_like(state)\n"
        forward = FORWARD_FROM if has_states else FORWARD
        return TORCH_LSTM + forward.format(last="(last, _)", cell=cell)

    def keras_state(self, state: Code) -> Code:
        from cnnspec.emit.call import Binary, Call, List

        # The state and the cell of each direction.
        states = List((state, Call("ops.zeros_like", (state,))))
        return Binary("*", (states, "2")) if self.bidirectional else states


class GRU(Recurrent):
    """Gated recurrent unit: a state h, carried from position to position.

    r, z = sigmoid(W x + b + U h + d), each with its own W, U, b and d;
    n = tanh(W x + b + r x (U h + d)); then h = (1 - z) x n + z x h. The output is h. W begins
    Glorot uniform (or as `init` says), U orthogonal, b and d 0.

    Shapes: (L, F) -> (u); with `sequence` (L, u); twice u where `bidirectional`.
    Parameters: 3u(F + u + 2), in each direction.
    MACs: L x 3u(F + u), in each direction.
    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder for
    statistical machine translation", 2014; the reset gate stands behind U, as in cuDNN.
    """

    op = "gru"
    gates, biases = 3, 2
    keras_gates = (1, 0, 2)  # the update gate stands before the reset gate
    torch_class = "nn.GRU"
    torch_init = BEGIN
    keras_layer = "GRU"
    example_input = "{length: 20, features: 64}"
    example = "- gru: {units: 128, sequence: true}"

    def torch_source(self, has_states: bool) -> str:
        forward = FORWARD_FROM if has_states else FORWARD
        return TORCH_GRU + forward.format(last="last", cell="")

    def keras_state(self, state: Code) -> Code:
        from cnnspec.emit.call import List

        return List((state, state)) if self.bidirectional else state
