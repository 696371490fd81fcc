"""Containers of layers: what the mapping of each takes; nodes enter, their entries leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cnnspec.declared import read_given, settle
from cnnspec.fields import Boolean, Choice, Declared, Number
from cnnspec.shared import take_name
from cnnspec.spec import Entry, Head, Parallel, Reference, Residual, Reuse
from cnnspec.suggest import did_you_mean
from cnnspec.values import Unevaluable, Value
from cnnspec.yamltree import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from cnnspec.entries import EntryReader


class ContainerFields(Declared):
    """What a container takes beside its lists."""

    example: ClassVar[str]
    example_input: ClassVar[str] = "{channels: 4, height: 32, width: 32}"


class ResidualFields(ContainerFields):
    """The output of `body` plus that of `shortcut`, which is the identity where none is given.

    Shapes: two equal ones -> the same; maps of extent 1, (C, 1, 1), spread over (C, H, W).
    Source: He et al., "Deep residual learning for image recognition", 2015.
    """

    example = """
        - residual:
            body:
              - conv: {filters: $in_channels, kernel: 3, padding: 1}
              - relu
        """

    connect = Boolean(
        True, doc="Whether the shortcut is added; false leaves the body alone."
    )


class ParallelFields(ContainerFields):
    """Branches side by side on one input, their outputs merged.

    Shapes: as those of the merge: `concat` joins the channels, the others take equal shapes.
    """

    example = """
        - parallel:
            merge: concat
            branches:
              - - conv: {filters: 4, kernel: 1}
              - - conv: {filters: 4, kernel: 3, padding: 1}
        """

    merge = Choice(
        "concat",
        "add",
        "multiply",
        "average",
        "maximum",
        default="concat",
        doc="How the branches' outputs become one.",
    )
    split = Boolean(
        False, doc="Branch i gets part i of the channels instead of all of them."
    )


class HeadFields(ContainerFields):
    """A further output of the model, in its top-level `layers`: it leaves the flow going.

    It needs a `name`, which is the output's, and its output is that of its last layer.
    """

    example = """
        - head:
            name: auxiliary
            loss_weight: 0.3
            serve: false
            layers:
              - global_avg_pool
              - dense: {units: 10}
        """

    loss_weight = Number(
        1.0, least=0, samples=[0.3, 1, 2.5], doc="Factor of this output's loss."
    )
    serve = Boolean(True, doc="Whether the head exists outside of training.")


class ReuseFields(ContainerFields):
    """Applies an earlier layer or block once more, with the same weights.

    `reuse: NAME` stands for that layer or block with the fields and arguments it has there. Its
    parameters count once, its multiply-adds each time. What enters must fit the weights: as
    many channels, and before a dense layer as many features.

    Shapes: as those of the layer or block.
    Source: Bromley et al., "Signature verification using a Siamese time delay neural network",
    1993.
    """

    example = """
        - conv: {filters: 4, kernel: 3, padding: 1}
          name: encoder
        - relu
        - reuse: encoder
        """


# Each container's lists, with whether they must be given.
LISTS = {
    "residual": {"body": True, "shortcut": False},
    "parallel": {"branches": True},
    "head": {"layers": True},
    "reuse": {},
}
CONTAINERS: dict[str, type[ContainerFields]] = {
    "residual": ResidualFields,
    "parallel": ParallelFields,
    "head": HeadFields,
    "reuse": ReuseFields,
}


def read_container(
    reader: EntryReader, key: Scalar, body: Node | None, node: Node, top: bool
) -> Entry | None:
    """The entry of a container; None where it is reported that it can't be read.

    Args:
        key, body: the container's name and what stands behind it.
        node: the whole item.
        top: whether it stands in the top-level `layers`.
    """
    name = key.text
    if name == "reuse":
        return _read_reuse(reader, key, body, node)
    if not isinstance(body, Mapping):
        wanted = ", ".join(f"{n}: […]" for n in LISTS[name])
        reader.bag.add(
            "CS103",
            f"`{name}` takes a mapping",
            key.span if body is None else body.span,
            "gets nothing" if body is None else f"gets {body.kind}",
            help=f"write `{name}: {{{wanted}}}`",
        )
        return None
    own = (*LISTS[name], "name") if name == "head" else tuple(LISTS[name])
    complete = _check_lists(reader, key, body, own)
    rest = Mapping(
        body.span, tuple(i for i in body.items if i[0].text not in own), body.flow
    )
    given = read_given(CONTAINERS[name], rest, f"`{name}`", key.span, reader.bag)
    if not complete:
        return None
    if name == "residual":
        return _read_residual(reader, key, body, node, given or {})
    fields = _settle(reader, key, given or {})
    if name == "parallel":
        return _read_parallel(reader, key, body, node, fields)
    return _read_head(reader, key, body, node, top, fields)


def _read_reuse(
    reader: EntryReader, key: Scalar, body: Node | None, node: Node
) -> Reuse | None:
    if isinstance(body, Scalar) and isinstance(body.value, str):
        return Reuse(key.text, key.span, node, Reference(body.text, body.span))
    reader.bag.add(
        "CS107",
        "`reuse` takes the name of an earlier layer or block",
        key.span if body is None else body.span,
        "gets nothing" if body is None else f"gets {body.kind}",
        help="write `reuse: NAME`",
    )
    return None


def _check_lists(
    reader: EntryReader, key: Scalar, body: Mapping, own: tuple[str, ...]
) -> bool:
    """Whether the lists stand there; a missing one is CS109, unless it is only misspelt."""
    name = key.text
    known = (*own, *CONTAINERS[name].fields)
    unknown = [k.text for k, _ in body.items if k.text not in known]
    meant = {did_you_mean(text, known) for text in unknown}
    missing = [n for n, required in LISTS[name].items() if required and n not in body]
    for wanted in missing:
        if wanted not in meant:
            reader.bag.add(
                "CS109",
                f"`{name}` needs `{wanted}`",
                key.span,
                help=f"write `{name}: {{{wanted}: […]}}`",
            )
    return not missing


def _settle(reader: EntryReader, key: Scalar, given: dict[str, Value]) -> Declared:
    """Fields that hold for the whole definition: they may use `vars` only."""
    cls, owner = CONTAINERS[key.text], f"`{key.text}`"
    try:
        done = settle(cls, given, reader.variables, owner, key.span, reader.bag)
    except Unevaluable as fault:
        reader.bag.add(
            "CS205",
            f"a field of {owner} may use `vars` only",
            fault.span,
            fault.error.message,
        )
        done = None
    return done if done is not None else cls({})


def _read_residual(
    reader: EntryReader,
    key: Scalar,
    body: Mapping,
    node: Node,
    given: dict[str, Value],
) -> Residual:
    entry = Residual(key.text, key.span, node)
    entry.body = reader.read_list(body.get("body"), "body")
    entry.shortcut = reader.read_list(body.get("shortcut"), "shortcut")
    entry.connect = given.get("connect")
    return entry


def _read_parallel(
    reader: EntryReader, key: Scalar, body: Mapping, node: Node, fields: Declared
) -> Parallel | None:
    entry = Parallel(key.text, key.span, node)
    entry.merge = fields.values["merge"]
    entry.split = fields.values["split"]
    branches = body.get("branches")
    assert branches is not None
    if not isinstance(branches, Sequence) or not branches.items:
        empty = "an empty list" if isinstance(branches, Sequence) else branches.kind
        reader.bag.add(
            "CS103",
            "`branches` takes a list of lists of layers",
            branches.span,
            f"gets {empty}",
            help="write `branches: [[…], […]]`",
        )
        return None
    flat = [branch for branch in branches.items if not _is_list(branch)]
    if flat:
        reader.bag.add(
            "CS103",
            "each branch is a list of layers",
            flat[0].span,
            f"gets {flat[0].kind}",
            help="write `branches: [[…], […]]`, or begin each branch with `- -`",
        )
        return None
    entry.branches = tuple(
        reader.read_list(branch, f"branches[{i}]")
        for i, branch in enumerate(branches.items)
    )
    return entry


def _is_list(node: Node) -> bool:
    """A list, or nothing, which is the identity."""
    return isinstance(node, Sequence) or (
        isinstance(node, Scalar) and node.value is None
    )


def _read_head(
    reader: EntryReader,
    key: Scalar,
    body: Mapping,
    node: Node,
    top: bool,
    fields: Declared,
) -> Head | None:
    entry = Head(key.text, key.span, node)
    entry.loss_weight = fields.values["loss_weight"]
    entry.serve = fields.values["serve"]
    entry.layers = reader.read_list(body.get("layers"), "layers")
    name = body.get("name")
    if name is None:
        reader.bag.add(
            "CS109",
            "`head` needs `name`",
            key.span,
            help="it names the output: `head: {name: extra, layers: […]}`",
        )
        return None
    take_name(entry, name, reader.bag)
    if not top:
        reader.bag.add(
            "CS113",
            "a head stands in the top-level `layers` only",
            key.span,
            help="put it at top level, and let it read a layer there by `from`",
        )
        return None
    return entry
