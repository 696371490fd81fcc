"""The base of every operation: its fields, shapes, costs and both emissions in one class.

An operation is a subclass of Layer with an `op`. What stands here is what a subclass may use:
`Misfit` and `Remark` to say what is wrong with its inputs, `Weight` for what it learns.
The emissions get a `Site` (see `cnnspec.emit.site`): one place in a definition with all its
instances, which turns fields into expressions of the block's arguments.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from cnnspec.fields import Declared
from cnnspec.shapes import MAPS, SEQUENCE, TOKENS, VECTOR, Shape, describe

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step
    from cnnspec.emit.statements import Statement
    from cnnspec.initializers import Initializer
    from cnnspec.layers.variables import Line, Variable


class Remedy(NamedTuple):
    """A change of fields that may mend a fault; it is tried on the spec before it is offered."""

    changes: dict[str, Any]  # field -> plain value
    text: str  # such as "padding 1"


class Remark(NamedTuple):
    """Something about a layer and its inputs; the caller finds the place of `field`."""

    code: str
    message: str
    label: str
    field: str | None = None  # the field at fault; None: the operation
    port: int | None = None  # the input whose producer explains it
    remedies: tuple[Remedy, ...] = ()  # the nearest first
    lead: str = ""  # stands before the remedies: "stride 2 drops 1 row"
    help: str | None = None  # a remedy that is no change of fields


class Misfit(Exception):
    """The layer cannot take these inputs."""

    def __init__(self, remark: Remark) -> None:
        super().__init__(remark.message)
        self.remark = remark


class Incomplete(TypeError):
    """The class lacks a part of an operation."""


class Weight(NamedTuple):
    """A tensor that belongs to a layer.

    Running statistics are not `learned` and no parameters; a `constant` is a parameter that
    training leaves alone.
    """

    name: str
    shape: tuple[int, ...]
    learned: bool = True
    constant: bool = False

    @property
    def count(self) -> int:  # type: ignore[override]  # tuple.count serves nobody here
        return prod(self.shape)

    @property
    def rows(self) -> tuple[int, ...]:
        """Its shape, of a single number (1)."""
        return self.shape or (1,)


class Reach(NamedTuple):
    """How a layer widens the receptive field, per spatial axis: extent and step in pixels."""

    extent: tuple[int, ...]
    stride: tuple[int, ...]


class Kept(NamedTuple):
    """What a layer keeps of one sample from forward to backward, as PyTorch does.

    A tensor that several layers keep is counted once, and so is one in another's memory.
    """

    inputs: bool = True
    outputs: bool = False
    numbers: int = 0  # others, in the precision of activations
    bytes: int = 0  # masks and indices
    between: int = 0  # numbers on their way inside it, before an activation
    in_place: bool = False  # its outputs lie in its input's memory: a view
    hands_on: bool = False  # the gradient of its inputs is that of its output


INDEX = 8  # bytes of an index
VIEW = Kept(inputs=False, in_place=True, hands_on=True)

EVERYWHERE = Reach((), ())  # reads the whole input: there is no local field any more


class Layer(Declared):
    """One operation of the language.

    A subclass sets `op` (its name in specs) and gives `infer`, `pytorch` and `keras`;
    an incomplete one fails at import. Its docstring is its page in `cnnspec explain`.
    """

    op: ClassVar[str] = ""
    arity: ClassVar[tuple[int, int | None]] = (1, 1)  # inputs: least and most
    takes_init: ClassVar[bool] = False  # has a kernel that `init` draws
    takes_values: ClassVar[bool] = False  # which `init` may give in numbers
    takes_rows: ClassVar[bool] = False  # whose numbers may be nested otherwise, as rows
    counts_depth: ClassVar[bool] = False  # convolution, dense and recurrent layers
    follows: ClassVar[bool] = False  # keeps shapes: written in its producer's line
    activates: ClassVar[bool] = False  # is an activation function
    takes_extent: ClassVar[bool] = False  # alone, of the layer that it names
    adds_bias: ClassVar[bool] = False  # its field `bias` is a number added per channel
    # How PyTorch's modules of this class begin, where not as a kernel and its bias do:
    torch_class: ClassVar[str] = ""
    torch_init: ClassVar[str] = ""  # statements about `module`
    torch_counters: ClassVar[tuple[str, ...]] = ()  # whole numbers that Keras lacks
    versions: ClassVar[
        dict[str, str]
    ] = {}  # least ones of packages, where it needs newer
    example: ClassVar[str] = ""  # a spec's layers, for the page; a test runs them
    example_input: ClassVar[str] = "{channels: 64, height: 32, width: 32}"
    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.op:
            return  # a family's base
        missing = [
            part
            for part in ("infer", "pytorch", "keras")
            if getattr(cls, part) is getattr(Layer, part)
        ]
        missing += [] if cls.__doc__ else ["its page, the docstring"]
        missing += [] if cls.example else ["an example"]
        if missing:
            raise Incomplete(f"{cls.__name__} lacks {', '.join(missing)}")

    @property
    def ports(self) -> int:
        """Number of outputs."""
        return 1

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """Output shapes from as many input shapes as `arity` says; raises Misfit."""
        raise NotImplementedError

    def remarks(self, inputs: tuple[Shape, ...]) -> list[Remark]:
        """What is allowed but probably not meant (CS4nn)."""
        return []

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        """The tensors it owns, in PyTorch's shapes and order."""
        return ()

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        """How they lie in Keras' variables.

        Args:
            line: what the line of Keras code stands for, in case that changes what it is.
        """
        from cnnspec.layers.variables import usual

        return tuple([usual(weight) for weight in self.weights(inputs)])

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        """Multiply-adds of kernels and matrix products for one sample."""
        return 0

    def reach(self, inputs: tuple[Shape, ...]) -> Reach | None:
        """None for an elementwise layer."""
        return None

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        """What training keeps of it for the backward pass: its inputs, unless it says more."""
        return Kept()

    def torch_parts(self, inputs: tuple[Shape, ...]) -> tuple[str, ...]:
        """PyTorch's modules inside its own whose kernels begin He normal: `nn.Conv2d`."""
        return ()

    @classmethod
    def torch_kernels(
        cls, module: str, init: Initializer
    ) -> tuple[tuple[str, ...], str]:
        """What `init` draws in a module of `torch_class`: headers around, and the tensor.

        Each header stands in the one before it; of a list of modules they find all.
        """
        return (), f"{module}.weight"

    @classmethod
    def torch_draws(cls, module: str, init: Initializer) -> list[Statement]:
        """Begins a module by `init`; no statement where its own call on the kernel is right."""
        return []

    def pytorch(self, site: Site) -> list[Step]:
        """What the forward does with its inputs, step by step; no step is the identity."""
        raise NotImplementedError

    def keras(self, site: Site) -> list[Step]:
        """The same for the functional model."""
        raise NotImplementedError


WORDS = {MAPS: "maps", VECTOR: "a vector", SEQUENCE: "a sequence", TOKENS: "tokens"}
POSITIONS = (
    "of maps, `reshape: {channels: C, length: -1}` and `permute: {axes: [1, 0]}` make a "
    "sequence of pixels"
)
NUMERIC = (MAPS, VECTOR, SEQUENCE)  # all but token ids


def only(
    op: str,
    inputs: tuple[Shape, ...],
    layouts: tuple[str, ...],
    help: str | None = None,
) -> Shape:
    """The single input of an operation, where its layout is one of those it takes.

    Args:
        help: what to do about another layout.

    Raises: Misfit (CS302).
    """
    (shape,) = inputs
    need(op, shape, layouts, help=help)
    return shape


def way_to_positions(shape: Shape) -> str | None:
    """The remedy where a sequence is wanted; None where it is not maps that enter."""
    return POSITIONS if shape.rank else None


def need(
    op: str,
    shape: Shape,
    layouts: tuple[str, ...],
    port: int = 0,
    help: str | None = None,
) -> None:
    """Raises Misfit (CS302) where the shape has none of the layouts."""
    if shape.layout in layouts:
        return
    if shape.layout == TOKENS and SEQUENCE in layouts:
        help = "put `embedding` before it"
    *firsts, last = (WORDS[layout] for layout in layouts)
    wanted = f"{', '.join(firsts)} or {last}" if firsts else last
    raise Misfit(
        Remark(
            "CS302",
            f"`{op}` takes {wanted}, not {WORDS[shape.layout]}",
            f"gets {describe(shape)}",
            port=port,
            help=help,
        )
    )
