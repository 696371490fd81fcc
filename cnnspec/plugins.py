"""A plugin's file, or the name of an installed operation, enters; classes of operations leave.

A plugin is Python from outside the package. Whatever it does wrong is a diagnostic that names
it: at its import, in its classes, or later when an operation of it runs.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cnnspec.containers import CONTAINERS
from cnnspec.diagnostics import Bag
from cnnspec.fields import Refused
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Incomplete, Layer, Misfit, Remark
from cnnspec.names import LONGEST_NAME, PATTERN, RESERVED
from cnnspec.shapes import Shape
from cnnspec.shared import SHARED
from cnnspec.source import START, SourceFile, Span

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "cnnspec.operations"  # of entry points: NAME = "package.module:Class"

_INFERRING = ("infer", "remarks", "weights", "macs", "reach")
_EMITTING = ("pytorch", "keras")
_PACKAGES: set[str] = set()  # whose operations are in use


class Unusable(Exception):
    """Why a plugin can't be used: a code with its message, label and help."""

    def __init__(
        self,
        code: str,
        message: str,
        label: str = "",
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.label, self.help = code, message, label, help

    @property
    def text(self) -> str:
        """All of it in one line."""
        label = f": {self.label}" if self.label else ""
        return f"{self.message}{label} ({self.code})"


def admit_file(path: str, bag: Bag) -> SourceFile:
    """Runs a plugin's file; its operations join the registry.

    Returns: its text, which the bag's spans are places of (CS121 to CS123).
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError("it is no regular file")
        with open(path, "rb") as file:
            data = file.read()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        bag.add("CS121", f"cannot read the plugin: {reason}", START)
        return SourceFile(path, "")
    source = SourceFile(path, data.decode("utf-8", "replace"))
    module = ModuleType(f"_cnnspec_plugin_{len(sys.modules)}")
    module.__file__ = path
    sys.modules[module.__name__] = module
    try:
        exec(compile(data, path, "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        fault = _of_import(error)
        span = _span_of(error, source)
        bag.add(fault.code, fault.message, span, fault.label, help=fault.help)
        return source
    _admit_classes(module, source, bag)
    return source


def _admit_classes(module: ModuleType, source: SourceFile, bag: Bag) -> None:
    classes = {cls: None for cls in vars(module).values() if isinstance(cls, type)}
    found = [
        cls
        for cls in classes
        if issubclass(cls, Layer) and cls.op and cls.__module__ == module.__name__
    ]
    if not found:
        bag.add(
            "CS122",
            "the plugin defines no operation",
            START,
            help="it defines a subclass of `cnnspec.layers.layer.Layer` with an `op`",
        )
    for cls in found:
        try:
            _check(cls)
        except Unusable as fault:
            span = _class_span(cls.__name__, source)
            bag.add(fault.code, fault.message, span, fault.label, help=fault.help)
        else:
            _guard(cls)
            admit(cls)


def admit(cls: type[Layer]) -> None:
    """The operation joins the registry: everything that reads it knows the operation now."""
    OPERATIONS[cls.op] = cls


@functools.cache
def installed_names() -> tuple[str, ...]:
    """The operations that installed distributions offer and that are not built in."""
    names = {point.name for point in _entry_points()}
    return tuple(sorted(name for name in names if name not in OPERATIONS))


def installed(name: str) -> type[Layer] | None:
    """An installed operation; None where no distribution offers it. Raises Unusable."""
    found = _installed(name)
    if isinstance(found, Unusable):
        raise found.with_traceback(None)
    return found


@functools.cache
def _installed(name: str) -> type[Layer] | Unusable | None:
    """Loaded once: a spec may use an operation a thousand times."""
    points = [point for point in _entry_points() if point.name == name]
    if not points:
        return None
    try:
        return _load(name, points)
    except Unusable as fault:
        return fault


def _load(name: str, points: list[EntryPoint]) -> type[Layer]:
    owners = sorted({_distribution(point) for point in points})
    if len(owners) > 1:
        raise Unusable(
            "CS123",
            f"several installed plugins define `{name}`",
            ", ".join(owners),
            help="uninstall all but one",
        )
    try:
        cls = points[0].load()
    except (Exception, SystemExit) as error:
        fault = _of_import(error)
        fault.help = fault.help or f"it was raised at {_last_line(error)}"
    else:
        if isinstance(cls, type) and issubclass(cls, Layer) and cls.op == name:
            try:
                _check(cls)
            except Unusable as found:
                fault = found
            else:
                _guard(cls)
                return cls
        else:
            fault = Unusable(
                "CS122",
                f"the entry point `{name}` is no operation of that name",
                f"`{points[0].value}`",
                help=f'it names a subclass of `Layer` with `op = "{name}"`',
            )
    fault.message += f" (installed plugin `{owners[0]}`)"
    raise fault


@functools.cache
def _entry_points() -> tuple[EntryPoint, ...]:
    from importlib.metadata import entry_points  # a valid spec never pays for it

    return tuple(entry_points(group=GROUP))


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value


def _of_import(error: BaseException) -> Unusable:
    """An exception that a plugin's module raised."""
    if isinstance(error, Incomplete):
        return Unusable(
            "CS122",
            "an operation of the plugin is incomplete",
            str(error),
            help="docs/extending.md shows what an operation has",
        )
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return Unusable("CS121", "the plugin can't be imported", text)


def _last_line(error: BaseException) -> str:
    """Where an exception was raised, as FILE:LINE."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    place, step = "an unknown place", error.__traceback__
    while step is not None:
        path = step.tb_frame.f_code.co_filename
        if not path.startswith("<frozen"):  # Python's import machinery
            place = f"{path}:{step.tb_lineno}"
        step = step.tb_next
    return place


def _check(cls: type[Layer]) -> None:
    """Raises Unusable (CS122, CS123) where a complete class can't be an operation."""
    name = cls.op
    is_name = type(name) is str and re.fullmatch(PATTERN, name)
    if not is_name or len(name) > LONGEST_NAME:
        raise Unusable(
            "CS123",
            f"`{str(name)[:40]}` is no name for an operation",
            help="a name is lowercase letters, digits and `_`, and begins with a letter",
        )
    if name in RESERVED:
        raise Unusable("CS123", f"`{name}` can't be an operation: it {RESERVED[name]}")
    if name in OPERATIONS or name in CONTAINERS or name in SHARED:
        what = (
            "a key beside operations"
            if name in SHARED
            else "a container"
            if name in CONTAINERS
            else "an operation"
        )
        raise Unusable(
            "CS123",
            f"`{name}` is {what} already",
            help="give the operation another name",
        )
    for field in cls.fields.values():
        if field.name in SHARED:
            raise Unusable(
                "CS123",
                f"field `{field.name}` of `{name}` is a key beside operations",
                help="give the field another name",
            )
        if field.required or field.default is None:
            continue
        default = field.default
        try:
            field.accept(list(default) if isinstance(default, tuple) else default)
        except Exception as error:
            label = "" if isinstance(error, Refused) else f": {error}"
            raise Unusable(
                "CS122",
                f"the default of `{field.name}` of `{name}` is none of its values",
                f"{default!r}{label}"[:80],
            ) from None


def _guard(cls: type[Layer]) -> None:
    """What the class raises by mistake becomes a diagnostic at the operation in the spec."""
    _PACKAGES.add(cls.__module__.partition(".")[0])
    for name in (*_INFERRING, *_EMITTING):
        guarded = _inferring if name in _INFERRING else _emitting
        setattr(cls, name, guarded(getattr(cls, name), cls.op))


def _inferring(method: Callable[..., Any], op: str) -> Callable[..., Any]:
    name = method.__name__

    @functools.wraps(method)
    def guarded(self: Layer, *args: Any) -> Any:
        try:
            made = method(self, *args)
        except Misfit:
            raise
        except Exception as error:
            raise Misfit(_failure(error, name, op)) from error
        if name == "infer" and not (
            isinstance(made, tuple)
            and len(made) == self.ports
            and all(isinstance(shape, Shape) for shape in made)
        ):
            message = (
                f"`infer` of the plugin's `{op}` gives no tuple of {self.ports} Shape"
            )
            raise Misfit(Remark("CS124", message, f"gives {made!r}"[:80]))
        return made

    return guarded


def _emitting(method: Callable[..., Any], op: str) -> Callable[..., Any]:
    name = method.__name__

    @functools.wraps(method)
    def guarded(self: Layer, site: Any) -> Any:
        from cnnspec.emit.site import Inexpressible, Step

        try:
            made = method(self, site)
        except Inexpressible:
            raise
        except Exception as error:
            remark = _failure(error, name, op)
            message = f"{remark.message}: {remark.label}"
            raise Inexpressible(remark.code, message, remark.help or "") from error
        if not (isinstance(made, list) and all(isinstance(it, Step) for it in made)):
            message = f"`{name}` of the plugin's `{op}` gives no list of steps"
            raise Inexpressible("CS124", message, "it gives what `site` made: a list")
        return made

    return guarded


def _failure(error: Exception, method: str, op: str) -> Remark:
    return Remark(
        "CS124",
        f"`{method}` of the plugin's `{op}` raised {type(error).__name__}",
        str(error)[:200],
        help=f"it was raised at {blamed(error) or 'an unknown place'}",
    )


def blamed(error: BaseException) -> str | None:
    """The last line of a plugin before an exception, as FILE:LINE; None where there is none."""
    place, step = None, error.__traceback__
    while step is not None:
        frame = step.tb_frame
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _PACKAGES:
            place = f"{frame.f_code.co_filename}:{step.tb_lineno}"
        step = step.tb_next
    return place


def _span_of(error: BaseException, source: SourceFile) -> Span:
    """The line of a plugin's file where its import went wrong."""
    if isinstance(error, SyntaxError) and error.filename == source.name:
        return _line_span(error.lineno or 1, source)
    line, step = 1, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == source.name:
            line = step.tb_lineno
        step = step.tb_next
    return _line_span(line, source)


def _class_span(name: str, source: SourceFile) -> Span:
    found = re.search(rf"^class {name}\b", source.text, re.M)
    return source.span(*found.span()) if found else START


def _line_span(number: int, source: SourceFile) -> Span:
    lines = source.lines
    text = lines[number - 1] if number <= len(lines) else ""
    first = len(text) - len(text.lstrip()) + 1
    return Span(number, first, number, max(len(text.rstrip()) + 1, first + 1))
