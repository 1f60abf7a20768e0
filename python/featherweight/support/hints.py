"""Names that other libraries use, and the sentences that say which name is meant here.

An unknown keyword, an unknown attribute or a misspelt one is answered with the right name. Nothing
of this is consulted before Python itself has refused the name.
"""

import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from .checks import brief, counted
from .imports import ending

F = TypeVar("F", bound=Callable[..., Any])

_package: Any = None  # whose functions these are


def set_package(package: object) -> None:
    """Give the package, whose functions sentences name: it imports this module, not the reverse."""
    global _package
    _package = package


# our own functions, one of which may take what another was given
_HOMES = ("Network", "Network.fit", "Network.predict")


def _near(name: str, known: Iterable[str]) -> str | None:
    if ending():
        return None
    from difflib import get_close_matches

    by_lower = {k.lower(): k for k in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.75)
    return by_lower[found[0]] if found else None


def right_name(name: str, known: Iterable[str]) -> str | None:
    """Return which of the names known is meant by another, or None."""
    if ending():
        return None
    from .names import ARGUMENTS, ATTRIBUTES

    own = [k for k in known if not k.startswith("_") and k != name]
    for word in (*ARGUMENTS.get(name, ()), *ATTRIBUTES.get(name, ())):
        if word in own:
            return word
    return _near(name, own)


def _said(words: tuple[str, ...]) -> str | None:
    """Return what a row of the table says beside plain names."""
    return words[-1] if words and not words[-1].isidentifier() else None


def _given(name: str, value: object) -> str:
    """Return a keyword as it was given; of an array, its shape."""
    text = brief(value)
    return f"{name}, {text}" if getattr(value, "shape", ()) else f"{name}={text}"


def _innermost(function: Any) -> Any:
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def parameters(function: Any) -> list[str]:
    """Return the names that a Python function takes, but self and **options."""
    code = _innermost(function).__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [n for n in names if n != "self"]


def _home(name: str) -> str | None:
    """Return which of our functions takes an argument."""
    for home in _HOMES:
        found = _package
        for part in home.split("."):
            found = getattr(found, part)
        if isinstance(found, type):
            # of a class the constructor, which mypy takes for another object's
            found = found.__init__  # type: ignore[misc]
        if name in parameters(found) and name not in ("x", "y"):
            return home
    return None


def _with_home(advice: str) -> str:
    """Return an argument that is to be given, `name=...`, with the function that takes it."""
    name, equals, _ = advice.partition("=")
    home = _home(name) if equals and name.isidentifier() else None
    return advice if home is None else f"{home}({advice})"


def _kinds(cls: type) -> tuple[str, ...]:
    return tuple(base.__name__ for base in cls.__mro__)


def _special(name: str, contexts: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the row of the table for the first of some functions and classes that has one."""
    from .names import SPECIAL

    return next((SPECIAL[c][name] for c in contexts if name in SPECIAL.get(c, ())), None)


def _of_constructor(
    words: tuple[str, ...], left: list[str], contexts: tuple[str, ...]
) -> str | None:
    """Return a parameter of an estimator that one of its methods was given, or None."""
    if not contexts[0].startswith("estimator.") or any(word in left for word in words):
        return None
    pair = sys.modules["featherweight.sklearn"]
    owner = next(c for c in contexts if c in pair.__all__)
    taken = parameters(getattr(pair, owner).__init__)
    return next((f"{owner}({word}=...)" for word in words if word in taken), None)


def _argument(
    name: str, left: list[str], passed: dict[str, Any], contexts: tuple[str, ...]
) -> str | None:
    """Return what is meant by an argument that a function doesn't take, or None.

    Never one of those passed already.
    """
    if ending():
        return None
    from .names import ARGUMENTS, ESTIMATORS

    estimator = "BaseEstimator" in contexts
    row = _special(name, contexts)
    if row is None:
        row = (ESTIMATORS if estimator else ARGUMENTS).get(name, ())
        of_class = _of_constructor((name, *row), left, contexts) if estimator else None
        if of_class is not None:
            return of_class
    for word in row:
        if word in left:
            return f"{word}=..."
    if passed.keys() & set(row):
        return None
    advice = _said(row)
    if advice is not None:
        other, equals, value = advice.partition("=")
        if not equals or not other.isidentifier():
            return advice
        if other in left:
            return advice
        if other not in passed:
            return _with_home(advice)
        if value != "...":
            own = type(passed[other]).__name__
            if "(lr=" in value and "Optimizer" in _kinds(type(passed[other])):
                value = f"fw.{own}(lr=...)"  # of the optimizer that is given
            return f"{value} {'among' if other == 'callbacks' else 'as'} {other}"
    near = _near(name, left)
    if near is not None:
        return f"{near}=..."
    home = None if estimator else _home(name)
    return None if home is None else f"{home}({name}=...)"


def check_keywords(
    known: list[str],
    where: str,
    given: dict[str, Any],
    *,
    passed: dict[str, Any] | None = None,
    needed: Iterable[str] = (),
    contexts: tuple[str, ...] = (),
) -> None:
    """Refuse a keyword that isn't among those known, with the name that is meant.

    Parameters
    ----------
    known : list of str
        What the function takes.
    where : str
        What the function is called.
    given : dict
        The keywords, of which some may be unknown.
    passed : dict, optional
        What else has been passed, by the function's own names.
    needed : iterable of str
        What has no default.
    contexts : tuple of str
        Names of classes that say which words mean something, beside the function's own.
    """
    unknown = [name for name in given if name not in known]
    if not unknown:
        return
    passed = {k: v for k, v in given.items() if k in known} | (passed or {})
    left = [k for k in known if k not in passed]
    name = unknown[0]
    own = where.rpartition(".")[2]
    if "BaseEstimator" in contexts and own != where:
        own = f"estimator.{own}"  # whose methods take other arguments than a network's
    right = _argument(name, left, passed, (own, *contexts))
    missing = [k for k in needed if k not in passed]
    if right is None and left == missing and len(missing) == 1:
        right = f"{missing[0]}=..."
    if right is None and left:
        right = f"no such argument ({', '.join(left)} may be given)"
    right = right or ("no more arguments" if known else "no arguments")
    raise TypeError(f"{name}: expected {right}, found {_given(name, given[name])} in {where}")


def _explain(
    function: Any, where: str, args: tuple[Any, ...], given: dict[str, Any]
) -> TypeError | None:
    """Return the sentence on arguments that a function doesn't take, if we have a better one."""
    function = _innermost(function)
    known, code = parameters(function), function.__code__
    places = code.co_varnames[: code.co_argcount]
    passed = {k: v for k, v in zip(places, args, strict=False) if k not in ("self", "cls")}
    contexts: tuple[str, ...] = ()
    if args:
        kinds = _kinds(args[0] if isinstance(args[0], type) else type(args[0]))
        if function.__name__ == "__init__" or "BaseEstimator" in kinds:
            contexts = kinds
    needed = places[: len(places) - len(function.__defaults__ or ())]
    if not code.co_flags & 0x08:  # **options
        try:
            check_keywords(
                known, where, given, passed=passed, contexts=contexts,
                needed=[n for n in needed if n != "self"],
            )  # fmt: skip
        except TypeError as e:
            return e
    twice = [name for name in given if name in passed]
    if twice:
        name = twice[0]
        return TypeError(
            f"{name}: expected one, found {brief(passed[name])} and {_given(name, given[name])} "
            f"in {where}"
        )
    if len(args) > len(places) and not code.co_flags & 0x04:  # *args
        taken = [p for p in places if p != "self"]
        named = [n for n in known if n not in taken and n not in given]
        more = f", and by name {', '.join(named)}" if named else ""
        found = len(args) - ("self" in places)
        if not taken:
            return TypeError(f"{where}: expected no arguments, found {found}")
        return TypeError(
            f"{where}: expected at most {counted(len(taken), 'argument')} without names "
            f"({', '.join(taken)}){more}; found {found}"
        )
    return None


def _of_other_libraries(args: tuple[Any, ...], where: str) -> TypeError | None:
    """Return the sentence on a first argument that PyTorch has, and we haven't."""
    if ending():
        return None
    from .names import FIRST, SPECIAL

    if len(args) < 2:
        return None
    first, kinds = args[1], _kinds(type(args[0]))
    if "Schedule" in kinds:
        kind, wrong = "Schedule", "Optimizer" in _kinds(type(first))
    else:
        # settings are numbers, or what can be told apart from parameters no better than by them
        plain = isinstance(first, (int, float, str)) or first is None
        kind, wrong = "Optimizer", "Optimizer" in kinds and not plain
        wrong = wrong and not (hasattr(first, "__float__") and not getattr(first, "shape", ()))
    if not wrong:
        return None
    name = FIRST[kind]
    return TypeError(f"{name}: expected {SPECIAL[kind][name][0]}, found {brief(first)} in {where}")


def _called(where: str, makes: bool, args: tuple[Any, ...]) -> str:
    """Return what a function is called in messages: a method of a base class by the class used."""
    if not args:
        return where
    cls = args[0] if isinstance(args[0], type) else type(args[0])
    if makes:
        return cls.__name__
    if not {"Optimizer", "BaseEstimator"} & {*_kinds(cls)}:
        return where
    ours = (c for c in cls.__mro__ if c.__module__.partition(".")[0] == "featherweight")
    return f"{next(ours).__name__}.{where.rpartition('.')[2]}"


def _not_called(function: Any, args: tuple[Any, ...], given: dict[str, Any], e: TypeError) -> bool:
    """Whether an error was raised as a function was called, and not inside it."""
    if not hasattr(function, "__wrapped__"):
        return e.__traceback__ is not None and e.__traceback__.tb_next is None
    from inspect import signature

    try:
        signature(function).bind(*args, **given)
    except TypeError:
        return True
    return False


def named(function: F) -> F:
    """Have a function answer arguments that it doesn't take with the right name.

    What it is called in messages is the public name: its signature and all else stay as they are.
    """
    if function.__qualname__.startswith("Model."):
        function.__qualname__ = "Network." + function.__qualname__.removeprefix("Model.")
        function.__module__ = "featherweight.network"
    where = function.__qualname__.removesuffix(".__init__")
    makes = where != function.__qualname__

    @wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        try:
            found = function(*args, **given)
        except TypeError as e:
            name, better = _called(where, makes, args), None
            refused = _not_called(function, args, given, e)
            if makes and (refused or str(e).startswith(f"{(*parameters(function), '')[0]}: ")):
                better = _of_other_libraries(args, name)
            if refused and better is None:
                better = _explain(function, name, args, given)
                if better is None and name != where and str(e).startswith(f"{where}()"):
                    better = TypeError(name + str(e).removeprefix(where))  # without its arguments
            if better is None:
                raise
        else:
            if makes:
                _note_attributes(args[0], call)
            return found
        raise better from None

    return call  # type: ignore[return-value]  # of the same signature, by wraps


def _attribute(name: str, known: Iterable[str], contexts: tuple[str, ...]) -> str | None:
    """Return what is meant by an attribute that there isn't, or None."""
    if ending():
        return None
    from .names import ARGUMENTS, ATTRIBUTES

    known = list(known)
    own = [k for k in ATTRIBUTES.get(name, ()) if k in known and k != name]
    if own:  # not what a constructor's argument of this name means
        return own[0]
    found = _said(_special(name, contexts) or ()) or _said(ATTRIBUTES.get(name, ()))
    found = found or right_name(name, known) or _said(ARGUMENTS.get(name, ()))
    return found if found is not None or _home(name) is None else f"{name}=..."


def attribute_error(
    owner: str, name: str, known: Iterable[str], contexts: tuple[str, ...] = ()
) -> AttributeError | None:
    """Return the sentence on an attribute that there isn't, if another is meant."""
    right = None if name.startswith("_") else _attribute(name, known, contexts)
    if right is None:
        return None
    return AttributeError(f"{name}: expected {_with_home(right)}, found no {name!r} in {owner}")


def module_attribute(module: str, name: str) -> AttributeError:
    """Return the sentence on a name that a module of ours doesn't have."""
    there = sys.modules.get(module)  # none as the interpreter ends
    found = attribute_error(module, name, getattr(there, "__all__", dir(there)))
    return found or AttributeError(f"module {module!r} has no attribute {name!r}")


_attributes: dict[Any, frozenset[str]] = {}  # by constructor: what the objects made have


def _note_attributes(made: Any, constructor: Any) -> None:
    """Note which attributes an object has when its constructor has ended."""
    if constructor not in _attributes and type(made).__init__ is constructor:
        _attributes[constructor] = frozenset(vars(made))


def _may_have(made: Any, name: str) -> bool:
    """Whether objects of a class of ours have such an attribute."""
    cls = type(made)
    if name in vars(made) or hasattr(cls, name):
        return True
    noted = _attributes.get(cls.__init__)
    if noted is not None:
        return name in noted
    # the first one is being made: arguments, and what is declared
    for base in cls.__mro__:
        constructor = base.__dict__.get("__init__")
        own = parameters(constructor) if hasattr(constructor, "__code__") else ()
        if name in own or name in getattr(base, "__annotations__", ()):
            return True
    return False


class Elsewhere:
    """A name that a class doesn't have, and a function of the package has.

    A class has no `__getattr__` that could say so.
    """

    def __init__(self, right: str) -> None:
        self._right = right

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, made: object, cls: type) -> Any:
        raise AttributeError(
            f"{self._name}: expected {self._right}, found no {self._name!r} in {cls.__name__}"
        )


def _there(made: Any) -> list[str]:
    """Return the names of an object's attributes."""
    cls = type(made)
    parts = [part for base in cls.__mro__ for part in vars(base).items()]
    elsewhere = {name for name, part in parts if isinstance(part, Elsewhere)}
    return [name for name in (*dir(cls), *vars(made)) if name not in elsewhere]


class Strict:
    """A class whose objects have no attributes but those that mean something.

    Others are refused, whether read or set; of a class that a user derives, only when read.
    """

    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        made = cls.__dict__.get("__init__")
        if made is not None and cls.__module__.partition(".")[0] == "featherweight":
            # the same method, with a better sentence for unknown keywords
            cls.__init__ = named(made)  # type: ignore[method-assign]

    if not TYPE_CHECKING:  # a type checker knows the attributes, and would take any then

        def __getattr__(self, name: str) -> Any:
            cls = type(self)
            if not name.startswith("_") and not hasattr(cls, name):
                owner = getattr(self, "_named", cls.__name__)
                found = attribute_error(owner, name, _there(self), _kinds(cls))
                if found is not None:
                    raise found
            return object.__getattribute__(self, name)  # which raises Python's own sentence

        def __setattr__(self, name: str, value: Any) -> None:
            cls = type(self)
            ours = cls.__module__.partition(".")[0] == "featherweight"
            if ours and not name.startswith("_") and not _may_have(self, name):
                right = _attribute(name, _there(self), _kinds(cls))
                owner = getattr(self, "_named", cls.__name__)
                right = _with_home(right or f"one that {owner} has")
                raise AttributeError(
                    f"{name}: expected {right}, found {name} = {brief(value)}, which "
                    f"{owner} would not use"
                )
            super().__setattr__(name, value)
