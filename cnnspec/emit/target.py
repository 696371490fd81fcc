"""What a target decides while a definition's forward is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from cnnspec.emit.call import Call, Code
from cnnspec.emit.flow import Flow
from cnnspec.emit.render import Value
from cnnspec.emit.site import Site, Step

if TYPE_CHECKING:
    from cnnspec.graph import Occurrence
    from cnnspec.initializers import Initializer
    from cnnspec.layers.layer import Layer
    from cnnspec.shapes import Shape
    from cnnspec.spec import Entry, Use


class Target(ABC):
    """PyTorch or Keras, as the walk sees it."""

    target = ""
    fuses = True  # elementwise layers share their producer's line
    train_condition = ""
    shared_modules = (
        False  # a reuse calls the first one's module, with weights or without
    )

    @abstractmethod
    def shares_weights(self, target: Entry) -> bool:
        """Whether what is reused has weights."""

    @abstractmethod
    def indent(self) -> int:
        """Columns that a statement of the forward is indented by here."""

    @abstractmethod
    def steps(self, layer: Layer, site: Site) -> list[Step]:
        """The layer's own emission for this target."""

    @abstractmethod
    def use(self, entry: Use, occurrences: list[Occurrence], flow: Flow) -> Step:
        """The call of a block."""

    @abstractmethod
    def repeated(
        self, entry: Entry, occurrences: list[Occurrence], flow: Flow
    ) -> Flow | None:
        """A repeat as one call; None where the target writes a loop."""

    @abstractmethod
    def in_forward(self, value: Value) -> Code:
        """A value as the forward reads it, such as `self.stride` in PyTorch."""

    @abstractmethod
    def in_constructor(self, value: Value) -> Code:
        """A value as the place that makes modules reads it."""

    @abstractmethod
    def register(self, entry: Entry, code: Code) -> str:
        """Makes a module an attribute; returns how the forward calls it."""

    @abstractmethod
    def initialised(self, entry: Entry, function: str) -> tuple[str, tuple[Any, ...]]:
        """A layer's function and its further arguments, with the entry's `init`."""

    @abstractmethod
    def drawn(self, entry: Entry, init: Initializer) -> Call:
        """The construction of an initializer, in Keras."""

    @abstractmethod
    def layer_name(self, entry: Entry, suffix: str) -> str:
        """The name of a layer as a literal or an f-string."""

    def watched(self, entry: Entry, flow: Flow, part: str = "") -> Flow:
        """The flow behind a layer, where the model tells what each of its layers makes."""
        return flow

    @abstractmethod
    def shape_comment(self, shape: Shape) -> str:
        """As in `(N, 64, 56, 56)`."""
