"""A YAML of names enters; which tensors of a file are whose leaves, and the reverse.

```yaml
layer1.0.conv1: basic_block1.0.conv_bn1.conv # a layer
fc.weight: dense.weight # a tensor
aux1: ~ # a layer, or all layers in it, that the spec does without
```
"""

from __future__ import annotations

from typing import NamedTuple

from cnnspec.diagnostics import Bag, Diagnostic, Label
from cnnspec.source import SourceFile, Span
from cnnspec.suggest import did_you_mean
from cnnspec.weights.importing.own import Own, layer_text, shape_text
from cnnspec.weights.importing.stored import Stored
from cnnspec.yamltree import Scalar, parse

LINE = "a line is `THEIRS: OURS`, or `THEIRS: ~` to leave a layer out"


class Given(NamedTuple):
    """What the user says.

    Args:
        tensors: names of the file by the spec's.
        left_out: names of tensors of the file that are not wanted.
    """

    tensors: dict[str, str]
    left_out: frozenset[str]


NOTHING = Given({}, frozenset())


def read_map(source: SourceFile, stored: Stored, ours: list[Own], bag: Bag) -> Given:
    """Mistakes go to the bag: CS601 to CS604, and those of YAML."""
    if not any(line.partition("#")[0].strip() for line in source.lines):
        return NOTHING
    root = parse(source, bag)
    bag.replace([_of_a_map(found) for found in bag.sorted()])
    reading = _Reading(stored, ours, bag)
    for key, node in root.items if root is not None else ():
        if isinstance(node, Scalar):
            reading.entry(key, node)
        else:
            bag.add(
                "CS604",
                f"a name of the spec belongs here, not {node.kind}",
                node.span,
                help=LINE,
            )
    return Given(reading.tensors, frozenset(reading.left_out))


def _of_a_map(found: Diagnostic) -> Diagnostic:
    """What YAML's reader says of a spec."""
    if found.code != "CS022":
        return found
    message = found.message.replace("a spec is", "a map of names is")
    return found._replace(code="CS604", message=message, help=LINE)


class _Reading:
    def __init__(self, stored: Stored, ours: list[Own], bag: Bag) -> None:
        self.tensors: dict[str, str] = {}
        self.left_out: set[str] = set()
        self._framework = stored.framework
        self._bag = bag
        self._groups = {group.name: group for group in stored.groups}
        self._owners = {
            name: group for group in stored.groups for name in group.tensors
        }
        self._own = {layer.name: layer for layer in ours}
        self._holders = {name: layer for layer in ours for name in layer.tensors}
        self._used: dict[str, Span] = {}  # where a tensor of either side was given

    def entry(self, key: Scalar, value: Scalar) -> None:
        if value.value is None:
            self._leave_out(key)
            return
        name = value.text.replace("[", ".").replace("]", "")
        theirs = self._known(key, (*self._groups, *self._owners), key.text, "file")
        ours = self._known(value, (*self._own, *self._holders), name, "spec")
        if not theirs or not ours:
            return
        pairs = self._pairs(key.text, name)
        if pairs is None:
            self._bag.add(
                "CS603",
                f"`{key.text}` can't become `{name}`",
                value.span,
                f"{self._their_text(key.text)} against {self._our_text(name)}",
            )
            return
        own = [f"ours {mine}" for mine in pairs]
        if self._is_new(own, value) and self._is_new(list(pairs.values()), key):
            self.tensors.update(pairs)

    def _leave_out(self, key: Scalar) -> None:
        """A layer, or all whose names begin so."""
        name = key.text
        below = (f"{name}.", f"{name}/")
        found = [
            tensor
            for group in self._groups.values()
            for tensor in group.tensors
            if name in (group.name, tensor) or tensor.startswith(below)
        ]
        if not found:
            self._known(key, (*self._groups, *self._owners), name, "file")
        elif self._is_new(found, key):
            self.left_out.update(found)

    def _known(self, at: Scalar, names: tuple[str, ...], name: str, side: str) -> bool:
        if name in names:
            return True
        meant = did_you_mean(name, names)
        self._bag.add(
            "CS601",
            f"there is no `{name[:80]}` in the {side}",
            at.span,
            help=f"did you mean `{meant}`?" if meant else None,
        )
        return False

    def _is_new(self, tensors: list[str], at: Scalar) -> bool:
        """Whether none of them was given before; from now on they are."""
        first = min([self._used.setdefault(each, at.span) for each in tensors])
        if first == at.span:
            return True
        self._bag.add(
            "CS602",
            f"`{at.text}` is given twice",
            at.span,
            related=(Label(first, "first here"),),
        )
        return False

    def _pairs(self, theirs: str, ours: str) -> dict[str, str] | None:
        """Their tensors by ours, of two layers or two tensors that fit."""
        if theirs in self._groups and ours in self._own:
            return self._own[ours].take(self._groups[theirs].tensors, self._framework)
        if theirs in self._owners and ours in self._holders:
            shape = self._owners[theirs].tensors[theirs]
            fits = shape in [form.get(ours) for form in self._holders[ours].forms]
            return {ours: theirs} if fits else None
        return None

    def _their_text(self, name: str) -> str:
        if name in self._groups:
            return layer_text(self._groups[name].tensors)
        return shape_text(self._owners[name].tensors[name])

    def _our_text(self, name: str) -> str:
        if name in self._own:
            return layer_text(self._own[name].tensors)
        return shape_text(self._holders[name].tensors[name])
