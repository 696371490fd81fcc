"""What is asked of the editor: documents with a mistake, or with a place (`§`) to ask about.

The session with the language server asks all of it; the tests without one hold the schema to
the mistakes.
"""

from __future__ import annotations

from typing import NamedTuple

HEAD = """\
cnnspec: 1
name: net
input: {channels: 1, height: 32, width: 32}
layers:
"""
BLOCKS = """\
cnnspec: 1
name: net
input: {channels: 1, height: 32, width: 32}
blocks:
  unit:
    args: {width: ~}
    layers: [conv: {filters: $width, kernel: 3}]
layers:
"""
TRAIN = HEAD + "  - flatten\ndata: {source: digits}\ntrain:\n"


class Mistake(NamedTuple):
    """A document, what stands in it that is right, and what is wrong in its place."""

    title: str
    document: str
    right: str
    wrong: str

    @property
    def text(self) -> str:
        assert self.document.count(self.right) == 1, self.title
        return self.document.replace(self.right, self.wrong)


CONV = (
    HEAD
    + "  - conv: {filters: 6, kernel: 5, padding: 2, rounding: floor}\n    name: a\n"
)
CALL = BLOCKS + "  - unit: {width: 3}\n    name: a\n"
SGD = TRAIN + "  optimizer: {sgd: {momentum: 0.9}}\n"

MISTAKES = [
    Mistake("a misspelt field", CONV, "padding: 2", "pading: 2"),
    Mistake("a misspelt field that must be given", CONV, "filters", "filtres"),
    Mistake("a field of another operation", HEAD + "  - relu\n", "relu", "relu: {slope: 1}"),
    Mistake("a missing field", CONV, ", kernel: 5", ""),
    Mistake("a misspelt word", CONV, "rounding: floor", "rounding: flor"),
    Mistake("a misspelt word beside numbers", CONV, "padding: 2", "padding: smae"),
    Mistake("a number out of range", CONV, "kernel: 5", "kernel: 0"),
    Mistake("an item out of range", CONV, "kernel: 5", "kernel: [5, 0]"),
    Mistake("a list that is too long", CONV, "kernel: 5", "kernel: [5, 5, 5, 5]"),
    Mistake("a text for a number", CONV, "filters: 6", "filters: six"),
    Mistake("a list for a number", CONV, "filters: 6", "filters: [6]"),
    Mistake("a boolean of YAML 1.1", CONV, "padding: 2", "bias: yes"),
    Mistake("an expression without its parentheses", CONV, "filters: 6", "filters: $k * 2"),
    Mistake("a misspelt key beside an operation", CONV, "name: a", "nmae: a"),
    Mistake("a misspelt key beside a block", CALL, "name: a", "nmae: a"),
    Mistake("a name that is none", CONV, "name: a", "name: A 1"),
    Mistake("a shared key out of range", CONV, "name: a", "repeat: -1"),
    Mistake("a shared key inside the operation", CONV, "padding: 2", "name: b"),
    Mistake("a misspelt distribution", CONV, "name: a", "init: he_norml"),
    Mistake("a field of a distribution", CONV, "name: a", "init: {normal: {sttdev: 1}}"),
    Mistake("a number for a mapping", CONV, "{filters: 6, kernel: 5, padding: 2, rounding: floor}", "6"),
    Mistake("fields that an operation needs", HEAD + "  - relu\n", "relu", "conv"),
    Mistake("no operation", HEAD + "  - relu:\n    name: a\n", "relu:\n    name: a", "name: a"),
    Mistake("a number for a layer", HEAD + "  - relu\n", "relu", "3"),
    Mistake("a misspelt list of a container", HEAD + "  - residual: {body: [relu]}\n", "body", "bdy"),
    Mistake("a head that is not at the top", HEAD + "  - residual: {body: [relu]}\n", "relu", "head: {name: a, layers: [relu]}"),
    Mistake("a misspelt key of the document", CONV, "layers:", "layer:"),
    Mistake("no input", CONV, "input: {channels: 1, height: 32, width: 32}\n", ""),
    Mistake("a misspelt size of the input", CONV, "height", "hieght"),
    Mistake("a misspelt source", TRAIN + "  epochs: 1\n", "source: digits", "source: digit"),
    Mistake("a misspelt key of the data", TRAIN + "  epochs: 1\n", "source: digits", "source: digits, batch: 3"),
    Mistake("a misspelt loss", TRAIN + "  loss: cross_entropy\n", "cross_entropy", "cross_entorpy"),
    Mistake("a misspelt optimizer", TRAIN + "  optimizer: sgd\n", "sgd", "sdg"),
    Mistake("a misspelt field of an optimizer", SGD, "momentum", "momentun"),
    Mistake("a key of no block", CALL, "args:", "arguments:"),
]  # fmt: skip


class Question(NamedTuple):
    """A document with a place; of completions those that the transcript shows."""

    title: str
    text: str
    shown: tuple[str, ...] = ()  # all where empty

    @property
    def document(self) -> str:
        return self.text.replace("§", "")

    @property
    def place(self) -> tuple[int, int]:
        before = self.text.partition("§")[0]
        return before.count("\n"), len(before.rpartition("\n")[2])


_LAYER = HEAD + "  - conv:\n      filters: 3\n      kernel: 5\n"
_SOME = ("batch_norm", "conv", "dense", "name", "relu", "repeat", "residual")

COMPLETIONS = [
    Question("keys of the document", HEAD.replace("layers:\n", "§\n")),
    Question("a layer", HEAD + "  - §\n", _SOME),
    Question("a layer, after some letters", HEAD + "  - con§\n", _SOME),
    Question("a layer of a branch", HEAD + "  - residual:\n      body:\n        - §\n", _SOME),
    Question("beside an operation", _LAYER + "    §\n"),
    Question("beside an operation, after a letter", _LAYER + "    r§\n"),
    Question("fields of an operation", HEAD + "  - conv:\n      §\n", ("conv", "filters", "kernel", "padding", "bias", "rounding")),
    Question("further fields, after a letter", _LAYER + "      p§\n", ("kernel", "padding", "rounding")),
    Question("fields in flow style", HEAD + "  - conv: {f§}\n", ("filters", "kernel")),
    Question("words of a field", _LAYER + "      rounding: §\n"),
    Question("words of a field, after a letter", _LAYER + "      rounding: f§\n"),
    Question("words beside numbers", _LAYER + "      padding: §\n"),
    Question("booleans", _LAYER + "      bias: §\n"),
    Question("a distribution", _LAYER + "    init: §\n", ("he_normal", "normal")),
    Question("fields of a container", HEAD + "  - residual:\n      §\n"),
    Question("kinds of input", HEAD.replace("{channels: 1, height: 32, width: 32}", "\n  §"), ("image", "vector", "channels")),
    Question("a source", HEAD + "  - relu\ndata:\n  source: §\n", ("digits", "synthetic")),
    Question("what a source takes", HEAD + "  - relu\ndata:\n  source: digits\n  §\n", ("batch_size", "validation_split", "path")),
    Question("an optimizer", TRAIN + "  optimizer: §\n", ("adam", "sgd")),
    Question("an optimizer with fields", TRAIN + "  optimizer:\n    §\n", ("adam", "sgd")),
    Question("fields of an optimizer", TRAIN + "  optimizer:\n    sgd:\n      §\n", ("learning_rate", "momentum")),
]  # fmt: skip

HOVERS = [
    Question("an operation", HEAD + "  - co§nv: {filters: 6, kernel: 5}\n"),
    Question("a bare operation", HEAD + "  - re§lu\n"),
    Question("an operation without fields", HEAD + "  - re§lu:\n"),
    Question("a bare block", BLOCKS + "  - un§it\n"),
    Question("a block in use", BLOCKS + "  - un§it: {width: 3}\n"),
    Question("a container", HEAD + "  - resi§dual: {body: [relu]}\n"),
    Question("a field", HEAD + "  - conv: {fil§ters: 6, kernel: 5}\n"),
    Question("a field with a default", HEAD + "  - conv: {filters: 6, kernel: 5, pad§ding: 2}\n"),
    Question("a field of words", HEAD + "  - conv: {filters: 6, kernel: 5, round§ing: exact}\n"),
    Question("an expression", HEAD + "  - conv: {filters: $(3§ * 2), kernel: 5}\n"),
    Question("a shared key", HEAD + "  - relu:\n    re§peat: 2\n"),
    Question("a section", HEAD.replace("layers", "lay§ers") + "  - relu\n"),
    Question("a field of a section", TRAIN + "  epo§chs: 3\n"),
]  # fmt: skip
