"""Containers of a definition: residuals, parallel branches and heads as statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.emit import channels
from cnnspec.emit.flow import Condition, Flow
from cnnspec.emit.render import Value
from cnnspec.emit.site import Site
from cnnspec.emit.statements import Assign, If
from cnnspec.expressions import Name
from cnnspec.spec import Head, Parallel, Residual

if TYPE_CHECKING:
    from cnnspec.emit.walk import Walk
    from cnnspec.graph import Node, Occurrence


def residual(
    walk: Walk,
    entry: Residual,
    flow: Flow,
    variable: str,
    occurrences: list[Occurrence],
) -> Flow:
    flow = walk.close(flow, variable)
    joined = [o for o in occurrences if o.node is not None]
    if not joined:
        return walk.run_list(entry.body, flow, variable)
    name = walk.allocate("shortcut")
    always = len(joined) == len(occurrences)
    shortcut = flow
    if always:
        shortcut = walk.run_list(entry.shortcut, flow, name)
    shortcut = walk.close(shortcut, name)
    if shortcut.code == variable:
        walk.statements.append(Assign(name, variable))
        shortcut = shortcut._replace(code=name)
    body = walk.close(walk.run_list(entry.body, flow, variable), variable)
    if always:
        result = walk.layer(entry, False, [body, shortcut], variable, joined)
    else:
        assert entry.connect is not None
        condition = walk.definition.bound(entry.connect)
        result = joined_if(walk, entry, condition, body, shortcut, variable, joined)
    walk.live.discard(name)
    found = channels.merged([body.channels, shortcut.channels])
    return result._replace(channels=found)


def joined_if(
    walk: Walk,
    entry: Residual,
    condition: Value,
    body: Flow,
    shortcut: Flow,
    variable: str,
    joined: list[Occurrence],
) -> Flow:
    """The sum under an `if`, with the shortcut's own layers."""
    if body.code != variable:
        walk.statements.append(Assign(variable, body.code))
    inner = walk.inside(Condition(condition))
    name = str(shortcut.code)
    shortcut = walk.close(walk.run_list(entry.shortcut, shortcut, name), name)
    body = body._replace(code=variable)
    result = walk.layer(entry, False, [body, shortcut], variable, joined)
    walk.close(result, variable, always=True)
    walk.leave(inner, lambda found: If(walk.in_forward(condition), found))
    return Flow(variable, body.channels)


def parallel(
    walk: Walk,
    entry: Parallel,
    flow: Flow,
    variable: str,
    occurrences: list[Occurrence],
) -> Flow:
    flow = walk.close(flow, variable)
    if len(entry.branches) == 1:  # nothing is joined: what it gives is the flow
        return alone(walk, entry, flow, variable, occurrences)
    names = [walk.allocate(f"branch{i + 1}") for i in range(len(entry.branches))]
    starts = [flow] * len(entry.branches)
    if entry.split:
        starts = split(walk, entry, flow, names, occurrences)
    ends = []
    for branch, start, name in zip(entry.branches, starts, names, strict=True):
        ends.append(walk.close(walk.run_list(branch, start, name), name))
    result = walk.layer(entry, False, ends, variable, occurrences)
    walk.live.difference_update(names)
    return result._replace(channels=channels.merged([end.channels for end in ends]))


def alone(
    walk: Walk,
    entry: Parallel,
    flow: Flow,
    variable: str,
    occurrences: list[Occurrence],
) -> Flow:
    """The flow through a single branch."""
    (branch,) = entry.branches
    end = walk.close(walk.run_list(branch, flow, variable), variable)
    return walk.layer(entry, False, [end], variable, occurrences)


def split(
    walk: Walk,
    entry: Parallel,
    flow: Flow,
    names: list[str],
    occurrences: list[Occurrence],
) -> list[Flow]:
    """Each branch its part of the channels."""
    nodes = [(split_node(walk, o), o) for o in occurrences if o.node is not None]
    site = Site(walk, entry, nodes, flow.channels)
    (step,) = walk.steps(site.instances[0].layer, site)
    made = walk.watched(entry, flow._replace(code=step.apply(flow.code)), ".split")
    walk.statements.append(Assign(", ".join(names), made.code))
    return [
        Flow(name, channels.parts(walk.definition, flow.channels, len(names)))
        for name in names
    ]


def split_node(walk: Walk, occurrence: Occurrence) -> Node:
    """The node before the branches of a parallel container that splits."""
    assert occurrence.node is not None
    return walk.graph.splits[occurrence.node.path]


def head(walk: Walk, entry: Head, flow: Flow, variable: str) -> Flow:
    flow = walk.close(flow, variable)
    inner = None if entry.serve else walk.inside(Condition(Name(walk.train_condition)))
    name = walk.local(entry.name)
    result = walk.run_list(entry.layers, flow, name)
    walk.close(result, name, always=True)
    if inner is not None:
        walk.leave(inner, lambda body: If(walk.train_condition, body))
    walk.variables[entry] = name
    return flow
