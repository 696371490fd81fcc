"""What the tests of expressions share: text in, its tree out."""

from __future__ import annotations

from cnnspec.diagnostics import Bag
from cnnspec.expressions import Expr
from cnnspec.scalars import parse
from cnnspec.source import Span


def span_of(text: str, quotes: int = 0) -> Span:
    return Span(7, 10, 7, 10 + len(text) + quotes)


def read(text: str) -> Expr:
    bag = Bag()
    expr = parse(text, span_of(text), bag)
    assert expr is not None, bag.sorted()
    assert not bag.sorted()
    return expr
