"""A checked spec and its graph enter, a Picture leaves: the walk of `expand` once more.

The occurrences of each entry lie in the order of that walk, so that a cursor for each entry
finds what became of it in every round and block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.costs import total
from cnnspec.drawing.labels import arguments_text, cut, kind_of, lines_of, shape_text
from cnnspec.drawing.picture import (
    BLOCK,
    HEAD,
    REPEAT,
    SIDE,
    TIMES,
    WEIGHTS,
    Box,
    Fork,
    Group,
    Item,
    Link,
    Picture,
    Sequence,
)
from cnnspec.drawing.similar import Likeness, joins, stacks
from cnnspec.graph import Edge
from cnnspec.spec import Head, Operation, Parallel, Residual, Reuse, Use

if TYPE_CHECKING:
    from cnnspec.graph import Graph, Node, Occurrence
    from cnnspec.spec import Body, Entry, Spec


class _Place:
    """A list that is being filled, and what references in it may mean.

    `made` holds the item of each output in sight; `owners` the items of entries.
    """

    __slots__ = ("around", "edge", "made", "owners", "sequence")

    def __init__(
        self,
        sequence: Sequence,
        edge: Edge | None,
        made: dict[Edge, Item],
        owners: dict[Entry, Item],
        around: tuple[Item, ...],
    ) -> None:
        self.sequence = sequence
        self.edge = edge
        self.made = made
        self.owners = owners
        self.around = around


def compose(spec: Spec, graph: Graph) -> Picture:
    """The picture of a network without errors, all blocks open."""
    composer = _Composer(graph)
    body = composer.network(spec)
    description = " ".join(spec.description.split())
    return Picture(spec.name, cut(description, 120), _figures(graph), body)


def _figures(graph: Graph) -> str:
    totals = total(graph)
    assert totals is not None
    costs = totals.costs
    return f"{costs.params:,} parameters, {costs.macs:,} MACs, depth {totals.depth}"


class _Composer:
    __slots__ = ("cursors", "ends", "graph", "likeness", "numbers")

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.cursors: dict[Entry, int] = {}
        self.likeness = Likeness()
        self.ends = set(graph.outputs.values())
        splits = set(graph.splits.values())
        self.numbers = {n: i for i, n in enumerate(graph.nodes) if n in splits}

    def network(self, spec: Spec) -> Sequence:
        graph = self.graph
        sequence = Sequence("")
        place = _Place(sequence, None, {}, {}, ())
        for name, edge in graph.inputs.items():
            box = Box(sequence, None, self.shape(edge), "input")
            box.rows = [f"input {name}" if name != "input" else "input"]
            sequence.items.append(box)
            place.made[edge] = box
        place.edge = next(iter(graph.inputs.values()))
        sequence.last = sequence.items[0]
        self.fill(spec.layers, place)
        for name, edge in graph.outputs.items():
            if name not in graph.heads:
                self.output(name, edge, place)
        return sequence

    def output(self, name: str, edge: Edge, place: _Place) -> None:
        source = place.made[edge]
        box = Box(place.sequence, source, self.shape(edge), "output")
        box.rows = [f"output {name}" if name != "output" else "output"]
        place.sequence.items.append(box)

    def shape(self, edge: Edge) -> str:
        return shape_text(self.graph.shape(edge))

    def take(self, entry: Entry) -> Occurrence:
        number = self.cursors.get(entry, 0)
        self.cursors[entry] = number + 1
        return self.graph.occurrences[entry][number]

    def fill(self, body: Body, place: _Place) -> None:
        """Adds a list's items; the place's edge is then the list's output."""
        for entry in body:
            first = self.take(entry)
            if not first.kept or first.rounds == 0:
                if first.output != place.edge:
                    place.edge = first.output
                    place.sequence.last = place.made[first.output]
                continue
            self.once(entry, first, place)
            for _ in range((first.rounds or 1) - 1):
                self.once(entry, self.take(entry), place)
        last = place.sequence.last
        if last.sequence is not place.sequence and place.edge is not None:
            box = Box(place.sequence, last, self.shape(place.edge), "plain")
            box.rows = ["identity"]
            self.likeness.box(box, ["identity"])
            self.reach(last, place)
            place.sequence.items.append(box)
            place.sequence.last = box

    def once(self, entry: Entry, met: Occurrence, place: _Place) -> None:
        if type(entry) is Operation:
            self.layer(entry, met, place)
        elif type(entry) is Use:
            self.block(entry, entry, met, place)
        elif type(entry) is Reuse:
            if type(entry.reused) is Use:
                self.block(entry.reused, entry, met, place)
            else:
                self.layer(entry, met, place)
        elif type(entry) is Residual and met.node is None:  # not connected
            self.fill(entry.body, place)
        elif type(entry) is Head:
            self.head(entry, met, place)
        else:
            assert isinstance(entry, Residual | Parallel)
            self.fork(entry, met, place)

    def flow(self, met: Occurrence, place: _Place) -> tuple[Item, str]:
        edge = met.inputs[0]
        shape = self.shape(edge)
        if edge == place.edge:
            return place.sequence.last, shape
        source = place.made[edge]
        self.reach(source, place)
        return source, shape

    def reach(self, source: Item, place: _Place) -> None:
        """Lets the item around that stands beside a source stand below it."""
        if source.sequence is place.sequence:
            return
        for item in reversed(place.around):
            if item.sequence is source.sequence:
                item.after.append(source)
                return

    def layer(self, entry: Entry, met: Occurrence, place: _Place) -> None:
        node = met.node
        assert node is not None and node.layer is not None
        source, reads = self.flow(met, place)
        box = Box(place.sequence, source, reads, kind_of(node.layer))
        box.rows = lines_of(node.layer, node, self.graph.shape(met.inputs[0]))
        if entry.named:
            box.rows[0] = cut(f"{entry.name}: {box.rows[0]}")
        box.note = _note(node)
        box.dashed = not node.serves
        for edge in met.inputs[1:]:
            found = place.sequence.last if edge == place.edge else place.made[edge]
            self.reach(found, place)
            box.links.append(Link(found, self.shape(edge), SIDE))
        if type(entry) is Reuse:
            self.borrow(box, entry, place)
        self.likeness.box(box, [node.layer.op])
        box.gives = self.shape(met.output)
        self.put(box, entry, met, place)
        for port in range(node.layer.ports):
            place.made[Edge(met.output.node, port)] = place.sequence.last

    def borrow(self, item: Box | Group, entry: Reuse, place: _Place) -> None:
        """Joins what reuses to the owner of the weights."""
        owner = place.owners[entry.reused]
        self.reach(owner, place)
        item.links.append(Link(owner, "", WEIGHTS))
        item.dashed = True

    def block(self, use: Use, entry: Entry, met: Occurrence, place: _Place) -> None:
        assert met.child is not None
        source, reads = self.flow(met, place)
        name = use.block.name
        shown = f"{entry.name}: {name}" if entry.named else name
        group = Group(place.sequence, source, reads, BLOCK, shown)
        scope = met.child
        args = {n: scope.values[n] for n in use.given if n in scope.values}
        group.rows = arguments_text(args)
        inside = _Place(
            group.body, met.inputs[0], {met.inputs[0]: group.body.entry}, {}, ()
        )
        self.fill(use.block.layers, inside)
        if not group.body.items:
            if met.output != place.edge:
                place.edge, place.sequence.last = met.output, source
            return
        if type(entry) is Reuse:
            self.borrow(group, entry, place)
            group.rows = [f"weights of {entry.reused.name}"]
            group.open = False
        self.likeness.group(group, name)
        group.gives = self.shape(met.output)
        self.put(group, entry, met, place)

    def head(self, entry: Head, met: Occurrence, place: _Place) -> None:
        source, reads = self.flow(met, place)
        title = f"head {entry.name}"
        if entry.loss_weight != 1:
            title += f", loss {TIMES} {entry.loss_weight:g}"
        group = Group(place.sequence, source, reads, HEAD, title)
        group.dashed = not entry.serve
        place.around = (*place.around, group)
        self.nested(entry.layers, group.body, met.inputs[0], place)
        place.around = place.around[:-1]
        end = Box(group.body, group.body.last, self.shape(met.output), "output")
        training = "" if entry.serve else " (training only)"
        end.rows = [f"output {entry.name}{training}"]
        group.body.items.append(end)
        self.likeness.group(group, "head")
        place.sequence.items.append(group)

    def nested(self, body: Body, sequence: Sequence, edge: Edge, place: _Place) -> None:
        """Fills a list of a container: it sees what the lists around it see."""
        before = place.made.get(edge)
        place.made[edge] = sequence.entry
        self.fill(body, _Place(sequence, edge, place.made, place.owners, place.around))
        if before is not None:
            place.made[edge] = before

    def fork(self, entry: Residual | Parallel, met: Occurrence, place: _Place) -> None:
        node = met.node
        assert node is not None and node.layer is not None
        source, reads = self.flow(met, place)
        fork = Fork(place.sequence, source, reads, isinstance(entry, Residual))
        starts = [met.inputs[0]] * len(node.inputs)
        split = self.graph.splits.get(node.path)
        if split is not None:
            fork.split = Box(place.sequence, fork, reads, "merge")
            fork.split.rows = ["split"]
            number = self.numbers[split]
            starts = [Edge(number, port) for port in range(len(starts))]
        place.around = (*place.around, fork)
        for body, start in zip(entry.lists(), starts, strict=True):
            sequence = Sequence(self.shape(start))
            fork.lists.append(sequence)
            self.nested(body, sequence, start, place)
        place.around = place.around[:-1]
        merge = fork.merge
        merge.rows = [node.layer.op]
        if entry.named:
            merge.rows = [cut(f"{entry.name}: {node.layer.op}")]
        merge.note = _note(node)
        merge.gives = fork.gives = self.shape(met.output)
        self.likeness.fork(fork)
        self.put(fork, entry, met, place)

    def put(self, item: Item, entry: Entry, met: Occurrence, place: _Place) -> None:
        """Adds an item, or counts or stacks it into the one before it."""
        sequence = place.sequence
        before = sequence.items[-1] if sequence.items else None
        item.entry = entry
        if before is not None and before is item.flow:
            exposed = place.edge in self.ends
            if joins(before, item, exposed):
                sequence.items[-1] = item = self.joined(before, item)
            elif stacks(before, item, exposed):
                assert isinstance(before, Box) and isinstance(item, Box)
                before.rows += item.rows
                before.note += f"\n{item.note}"
                self.likeness.stack(before, item)
                item = before
            else:
                sequence.items.append(item)
        else:
            sequence.items.append(item)
        item.entry = entry
        sequence.last = item
        place.edge = met.output
        place.made[met.output] = item
        if entry.reuses:
            place.owners[entry] = item

    def joined(self, before: Item, item: Item) -> Item:
        """Two equal items as one with a count; a fork gets a frame that shows it."""
        if isinstance(before, Fork):
            return self.framed(before, item)
        if isinstance(before, Group):
            before.varies |= before.gives != item.gives
        before.count += item.count
        before.gives = item.gives
        return before

    def framed(self, before: Fork, item: Item) -> Group:
        assert before.entry is not None
        key = before.entry.key
        frame = Group(before.sequence, before.flow, before.reads, REPEAT, key)
        frame.after = before.after
        before.flow, before.sequence = frame.body.entry, frame.body
        frame.body.items.append(before)
        frame.body.last = before
        frame.signature, frame.skeleton = before.signature, before.skeleton
        frame.count, frame.gives = 2, item.gives
        return frame


def _note(node: Node) -> str:
    """What a pointer on the box is told."""
    text = node.path
    if node.params:
        text += f": {node.params:,} parameters"
    if node.macs:
        text += f", {node.macs:,} MACs" if node.params else f": {node.macs:,} MACs"
    return text
