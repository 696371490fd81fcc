"""A checked spec and a target enter; the program's files leave as texts by path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.emit.definitions import find_definitions
from cnnspec.emit.model import Source, logits_entries

if TYPE_CHECKING:
    from cnnspec.compile import Checked

TARGETS = ("pytorch", "keras")


def model_source(checked: Checked, losses: str | dict[str, str] | None) -> Source:
    """Prepares a spec without errors for emission."""
    spec, graph = checked.spec, checked.graph
    assert spec is not None and graph is not None
    plain, logits = logits_entries(spec, graph, losses)
    return Source(spec, graph, find_definitions(spec, graph), plain, logits)


def model_text(
    checked: Checked, target: str, losses: str | dict[str, str] | None
) -> str:
    """The text of model.py; raises Inexpressible."""
    source = model_source(checked, losses)
    if target == "pytorch":
        from cnnspec.emit import pytorch

        return pytorch.write_model(source)
    from cnnspec.emit import keras

    return keras.write_model(source)


def watched_model_text(checked: Checked, losses: str | dict[str, str] | None) -> str:
    """PyTorch's model.py, but `_watch(self, name, value)` is called on what each layer makes.

    `self` is the model or the block that the layer stands in, `name` its name there. The
    function is given by who runs it. Raises Inexpressible.
    """
    from cnnspec.emit.pytorch import write_model

    return write_model(model_source(checked, losses), watches=True)
