"""The registries of operations and of what training takes enter; their reference leaves, for the docs and the terminal.

`python -m cnnspec.pages` prints docs/operations.md.
"""

from __future__ import annotations

from inspect import cleandoc
from textwrap import fill, indent
from typing import Any

from cnnspec.containers import CONTAINERS, LISTS, ContainerFields
from cnnspec.datasets import SOURCES
from cnnspec.fields import NAMING, Declared, Field, PerAxis
from cnnspec.initializers import INITIALIZERS
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Layer
from cnnspec.optimizers import OPTIMIZERS
from cnnspec.schedules import SCHEDULES
from cnnspec.training import Train
from cnnspec.wording import shown, wanted

WIDTH = 80
TITLES = {"pytorch": "PyTorch", "keras": "Keras"}
HEADER = """\
# Operations

<!-- Generated from the classes in cnnspec/layers by `make generate`: edit those. -->

Shapes are written without the batch: (C, H, W) are maps of C channels, (F) is a vector,
(L, F) a sequence. Convolution and pooling work on signals (C, L), images (C, H, W) and
volumes (C, D, H, W), by their input. Where a field takes one number per axis, the axes
stand in this order. In place of a value an expression may stand.

"""
BEGINNINGS = """\
## Initial values

What `init` beside an operation with a kernel may be: a name, or a name over its fields.
Biases begin at zero. Without `init` a kernel is drawn by `he_normal`. The distributions
are the same in both frameworks.

"""


def operations_page() -> str:
    """docs/operations.md: every operation and every distribution, the same on every run."""
    parts = [HEADER, _contents(), "\n"]
    parts += [_markdown(name, cls, 2) for name, cls in OPERATIONS.items()]
    parts.append(BEGINNINGS)
    parts += [_markdown(name, cls, 3) for name, cls in INITIALIZERS.items()]
    return "".join(parts).rstrip() + "\n"


def operation_page(name: str) -> str | None:
    """An operation, container, distribution, source, optimizer or schedule; None where none is."""
    cls = _known().get(name)
    if cls is None:
        return None
    parts = [name, _wrapped(cleandoc(cls.__doc__ or ""))]
    if LISTS.get(name):
        lists = LISTS[name].items()
        parts.append(
            "Lists: "
            + ", ".join(
                f"`{key}`{'' if must else ' (may be left out)'}" for key, must in lists
            )
        )
    if cls.fields:
        fields = sorted(cls.fields.values(), key=lambda field: field.name != "source")
        parts.append("Fields:\n" + "\n".join(map(_entry, fields)))
    example = getattr(cls, "example", "")
    if example:
        parts.append("Example:\n\n" + indent(cleandoc(example), "    "))
        parts += _in_frameworks(cls)
    return "\n\n".join(parts) + "\n"


def _in_frameworks(cls: type[Declared]) -> list[str]:
    """The example's code, or why there is none: a plugin's example is tested by nobody."""
    from cnnspec.emit.excerpt import NoNetwork

    try:
        said = _said(cls)
    except NoNetwork as fault:
        given = getattr(cls, "example_input", "")
        text = f"The example has an error for its `example_input`, `{given}`: {fault}."
        return [fill(text, WIDTH)]
    return [f"In {TITLES[target]}:\n\n{code}" for target, code in said.items()]


def overview() -> str:
    """All operations and containers, a line each."""
    known = {**OPERATIONS, **CONTAINERS}
    width = max(map(len, known))
    lines = [f"{name:{width}}  {_summary(cls)}" for name, cls in known.items()]
    return "\n".join(lines) + "\n"


def data_page() -> str:
    """All sources of data, a line each."""
    width = max(map(len, SOURCES))
    lines = [f"  {name:{width}}  {_first(cls)}" for name, cls in SOURCES.items()]
    head = "data\n\nWhat a network is trained on: `data: {source: …}` names one of\n"
    return "\n".join([head, *lines]) + "\n"


def _first(cls: type[Declared]) -> str:
    doc: str = cls.fields["source"].doc
    return doc


def names() -> list[str]:
    """Everything that has a page here."""
    return list(_known())


def _known() -> dict[str, type[Declared]]:
    training: dict[str, type[Declared]] = {"train": Train, **SOURCES}
    training |= {**OPTIMIZERS, **SCHEDULES}
    return {**training, **INITIALIZERS, **OPERATIONS, **CONTAINERS}


def _summary(cls: type[Declared]) -> str:
    text = cleandoc(cls.__doc__ or "").partition("\n\n")[0]
    return " ".join(text.split())


def _contents() -> str:
    return "".join(
        f"- [`{name}`](#{name}): {_summary(cls)}\n" for name, cls in OPERATIONS.items()
    )


def _markdown(name: str, cls: type[Declared], level: int) -> str:
    parts = [f"{'#' * level} {name}", _paragraphs(cleandoc(cls.__doc__ or ""))]
    if cls.fields:
        rows = ["| field | takes | default | |", "| --- | --- | --- | --- |"]
        rows += map(_row, cls.fields.values())
        parts.append("\n".join(rows))
    example = getattr(cls, "example", "")
    if example:
        parts.append(f"```yaml\n{cleandoc(example)}\n```")
        for target, code in _said(cls).items():
            parts.append(f"In {TITLES[target]}:\n\n```python\n{code}\n```")
    return "\n\n".join(parts) + "\n\n"


def _said(cls: type[Declared]) -> dict[str, str]:
    """How each target says the example; empty for what is no part of a network."""
    if not issubclass(cls, Layer | ContainerFields):
        return {}
    from cnnspec.emit.excerpt import excerpts

    return excerpts(cls.example, cls.example_input)


def _paragraphs(doc: str) -> str:
    """The docstring with each of its named lines (Shapes, Source, …) as a list entry."""
    text, entries = [], []
    for paragraph in doc.split("\n\n"):
        if not _titled(paragraph):
            text.append(paragraph)
            continue
        for line in paragraph.split("\n"):
            if _titled(line):
                title, _, rest = line.partition(": ")
                entries.append(f"- *{title}*: {rest}")
            else:
                entries[-1] += f" {line.strip()}"
    return "\n\n".join([*text, *(["\n".join(entries)] if entries else [])])


def _titled(text: str) -> bool:
    return text.partition(": ")[0] in ("Shapes", "Parameters", "MACs", "Source")


def _row(field: Field[Any]) -> str:
    cells = (f"`{field.name}`", _takes(field), _default(field), field.doc)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _takes(field: Field[Any]) -> str:
    if isinstance(field, PerAxis):
        kind = f"an integer of at least {field.least}, or one per axis"
    elif isinstance(field, NAMING):
        kind = field.names
    else:
        kind = wanted(field.schema())
    return f"{kind} ({field.unit})" if field.unit else kind


def _default(field: Field[Any]) -> str:
    if field.required:
        return "must be given"
    return "" if field.default is None else f"`{shown(field.default)}`"


def _entry(field: Field[Any]) -> str:
    default = _default(field).strip("`")
    if not field.required and default:
        default = f"default {default}"
    head = "; ".join(part for part in (_takes(field), default) if part)
    lines = fill(f"{field.doc} {head[0].upper()}{head[1:]}.", WIDTH - 6)
    return f"  {field.name}\n{indent(lines, '      ')}"


def unwrapped(doc: str) -> str:
    """A docstring with each paragraph, and each titled line, in one line."""
    return "\n\n".join("\n".join(_joined(part)) for part in doc.split("\n\n"))


def _wrapped(doc: str) -> str:
    paragraphs = [_joined(part) for part in doc.split("\n\n")]
    return "\n\n".join("\n".join(map(_filled, lines)) for lines in paragraphs)


def _filled(line: str) -> str:
    return fill(line, WIDTH, subsequent_indent="  " if _titled(line) else "")


def _joined(paragraph: str) -> list[str]:
    """Lines of a paragraph: one, or one for each title."""
    lines: list[str] = []
    for line in paragraph.split("\n"):
        if lines and not _titled(line):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    return lines


if __name__ == "__main__":
    print(operations_page(), end="")
