"""A plugin's file, or the name of an installed operation, enters; classes of operations leave.

A plugin is Python from outside the package. Whatever it does wrong is a diagnostic that names
it: at its import, in its classes, or later when an operation of it runs.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cnnspec.admission import Unusable as Unusable
from cnnspec.admission import check_class
from cnnspec.diagnostics import Bag
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Incomplete, Layer, Misfit, Remark
from cnnspec.promises import PROMISES, broken, wrong_remark
from cnnspec.source import START, SourceFile, Span

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "cnnspec.operations"  # of entry points: NAME = "package.module:Class"

_EMITTING = ("pytorch", "keras")
# asked when the check is over:
_LATE = ("keeps", "torch_parts", "keras_variables")
_PACKAGES: set[str] = set()  # whose operations are in use


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
            check_class(cls)
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
                check_class(cls)
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


class Broken(Exception):
    """A plugin's operation gave something else than it should where no layer is at hand."""


def _guard(cls: type[Layer]) -> None:
    """What the class does by mistake becomes a diagnostic at the operation in the spec."""
    _PACKAGES.add(cls.__module__.partition(".")[0])
    for name in (*PROMISES, *_EMITTING):
        guarded = _emitting if name in _EMITTING else _inferring
        guarded = _late if name in _LATE else guarded
        setattr(cls, name, guarded(getattr(cls, name), name, cls.op))
    setattr(cls, "ports", _ports(cls.ports, cls.op))  # noqa: B010  # no method to mypy


def _inferring(method: Callable[..., Any], name: str, op: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(self: Layer, inputs: Any, *args: Any) -> Any:
        try:
            made = method(self, inputs, *args)
        except Misfit as misfit:
            made = misfit.remark
            wrong = wrong_remark(made, self, inputs)
            if not wrong:
                raise
        except Exception as error:
            raise Misfit(_failure(error, name, op)) from error
        else:
            wrong = broken(name, self, inputs, made)
        if wrong:
            message = f"`{name}` of the plugin's `{op}` gives {wrong}"
            raise Misfit(Remark("CS124", message, f"gives {made!r}"[:80]))
        return made

    return guarded


def _late(method: Callable[..., Any], name: str, op: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(self: Layer, inputs: Any, *outputs: Any) -> Any:
        made = method(self, inputs, *outputs)
        wrong = broken(name, self, inputs, made)
        if wrong:
            gives = f"`{name}` of the plugin's `{op}` gives {wrong}"
            raise Broken(f"{gives}: {made!r}"[:200])
        return made

    return guarded


def _ports(given: Any, op: str) -> property:
    """The number of outputs, or a property that gives it."""

    def ports(self: Layer) -> int:
        number = given.__get__(self) if isinstance(given, property) else given
        if type(number) is not int or number < 1:
            raise Broken(f"`ports` of the plugin's `{op}` is {number!r}"[:200])
        return number

    return property(ports)


def _emitting(method: Callable[..., Any], name: str, op: str) -> Callable[..., Any]:
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


def reported(error: Exception) -> str | None:
    """What is said of an exception that is a plugin's fault; None where it is none."""
    if isinstance(error, Broken):
        return str(error)
    place = blamed(error)
    return place and f"a plugin raised {type(error).__name__}: {error} at {place}"


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
    """The line that the class begins in: a helper's source may hold one of its name, too."""
    import ast

    try:
        tree = ast.parse(source.text.encode())
    except (SyntaxError, ValueError):  # written in another encoding
        return START
    found = [
        n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name
    ]
    return _line_span(found[0].lineno, source) if found else START


def _line_span(number: int, source: SourceFile) -> Span:
    lines = source.lines
    text = lines[number - 1] if number <= len(lines) else ""
    first = len(text) - len(text.lstrip()) + 1
    return Span(number, first, number, max(len(text.rstrip()) + 1, first + 1))
