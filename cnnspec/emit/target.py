"""What a target decides while a definition's forward is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.emit.call import Code
from cnnspec.emit.flow import Flow
from cnnspec.emit.render import Value
from cnnspec.emit.site import Site, Step

if TYPE_CHECKING:
    from cnnspec.graph import Occurrence
    from cnnspec.layers.layer import Layer
    from cnnspec.shapes import Shape
    from cnnspec.spec import Entry, Use


class Target:
    """PyTorch or Keras, as the walk sees it."""

    target = ""
    fuses = True  # elementwise layers share their producer's line
    train_condition = ""

    def indent(self) -> int:
        raise NotImplementedError

    # Variables and statements.

    def steps(self, layer: Layer, site: Site) -> list[Step]:
        raise NotImplementedError

    def use(self, entry: Use, occurrences: list[Occurrence], flow: Flow) -> Step:
        raise NotImplementedError

    def repeated(
        self, entry: Entry, occurrences: list[Occurrence], flow: Flow
    ) -> Flow | None:
        """A repeat as one call; None where the target writes a loop."""
        raise NotImplementedError

    def in_forward(self, value: Value) -> Code:
        raise NotImplementedError

    def in_constructor(self, value: Value) -> Code:
        raise NotImplementedError

    def register(self, entry: Entry, code: Code) -> str:
        raise NotImplementedError

    def initialised(self, entry: Entry, function: str) -> tuple[str, tuple[Any, ...]]:
        raise NotImplementedError

    def layer_name(self, entry: Entry, suffix: str) -> str:
        raise NotImplementedError

    def shape_comment(self, shape: Shape) -> str:
        raise NotImplementedError
