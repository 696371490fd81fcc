"""A spec's text enters; a checked network leaves: the one way through all stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.allowances import allowances, apply_allowances
from cnnspec.diagnostics import Bag
from cnnspec.expand import expand
from cnnspec.findings import Fault
from cnnspec.lint import lint
from cnnspec.readers import check_readers
from cnnspec.resolve import resolve
from cnnspec.source import SourceFile, read_source
from cnnspec.unreached import check_unreached
from cnnspec.variables import name_overrides
from cnnspec.yamltree import Mapping, parse

if TYPE_CHECKING:
    from cnnspec.diagnostics import Diagnostic
    from cnnspec.graph import Graph
    from cnnspec.spec import Spec


class Checked:
    """What is known of a spec after `check`.

    `spec` is None where the text is no YAML mapping, `graph` where there is no spec.
    """

    __slots__ = ("diagnostics", "graph", "source", "spec")

    def __init__(
        self,
        source: SourceFile,
        spec: Spec | None,
        graph: Graph | None,
        diagnostics: list[Diagnostic],
    ) -> None:
        self.source = source
        self.spec = spec
        self.graph = graph
        self.diagnostics = diagnostics

    @property
    def has_errors(self) -> bool:
        return any(d.severity == "error" for d in self.diagnostics)


def check_file(path: str, overrides: dict[str, Any]) -> Checked:
    """Reads and checks a spec.

    Args:
        path: a file, or `-` for standard input.
        overrides: values of `--set`, by variable.
    """
    bag = Bag()
    source = read_source(path, bag)
    if bag.has_errors:
        return Checked(source, None, None, bag.sorted())
    return check_source(source, overrides)


def check_source(source: SourceFile, overrides: dict[str, Any]) -> Checked:
    bag = Bag()
    root = parse(source, bag)
    if root is None:
        return Checked(source, None, None, bag.sorted())
    spec, graph, faults = _check_tree(root, source.name, overrides, bag)
    allowed = allowances(source, bag)
    silenced = {(it.line, it.code) for it in allowed}
    faults = [f for f in faults if (f.span.line, f.remark.code) not in silenced]
    if faults:
        from cnnspec.remedies import offer

        def again(changed: Mapping) -> Bag:
            trial = Bag()
            _check_tree(changed, source.name, overrides, trial)
            return trial

        offer(root, faults, bag, len(graph.nodes), again)
    diagnostics = apply_allowances(bag.sorted(), allowed)
    if overrides and diagnostics:
        diagnostics = name_overrides(diagnostics, overrides, source)
    return Checked(source, spec, graph, diagnostics)


def _check_tree(
    root: Mapping, file: str, overrides: dict[str, Any], bag: Bag
) -> tuple[Spec, Graph, list[Fault]]:
    spec = resolve(root, overrides, bag)
    graph, faults = expand(spec, file, bag)
    check_unreached(spec, graph, file, bag)
    training = None
    if spec.data is not None or spec.train is not None:
        from cnnspec.training import read_training

        training = read_training(spec, graph, bag)
    if not bag.has_errors:  # what a mistake leaves unread or unused is no second one
        check_readers(spec, graph, bag)
        lint(spec, graph, training, bag)
    return spec, graph, faults
