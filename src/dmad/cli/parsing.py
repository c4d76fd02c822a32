"""Makes options of the command line from the signature and docstring of a function.

A parameter without a default is a positional argument. If it stands after `*`, it is an option that
must be given. A parameter with a default is an option. `*names` takes any number of positional
arguments, and a positional list takes one or more. The fields of a dataclass are options too. For a
parameter `data` with a default, they are called `--data.root` and so on; without a default, they
are called `--root` and so on.
"""

from __future__ import annotations

import json
from argparse import SUPPRESS as HIDDEN
from argparse import Action, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from inspect import BoundArguments, Parameter, getdoc, signature
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

import docstring_parser
from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace

from dmad.errors import DmadError

Verb = Callable[..., None]

EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


class HelpText(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Formats help texts, with a short usage line and one name for each option.

    Empty defaults are hidden.
    """

    def _get_help_string(self, action: Action) -> str:
        text = action.help or ""
        text = text[:1].upper() + text[1:]
        default = written(action.default) if action.option_strings else ""
        is_clear = not default or "(default:" in text
        return text if is_clear else f"{text} (default: {default})"

    def _format_action_invocation(self, action: Action) -> str:
        if action.nargs == 0 or not action.option_strings:
            return super()._format_action_invocation(action)
        metavar = self._get_default_metavar_for_optional(action)
        return f"{action.option_strings[0]} {self._format_args(action, metavar)}"

    def _format_usage(self, usage: str | None, actions: Any, *layout: Any) -> str:
        needed = [action for action in actions if action.required or not action.option_strings]
        line = super()._format_usage(usage, needed, *layout).rstrip()
        return f"{line} [options]\n\n"


class Parser(ArgumentParser):
    """A parser whose description is the docstring of a verb. Its errors are `DmadError`s."""

    def __init__(self, name: str = "", verb: Verb | None = None, **options: Any) -> None:
        options["description"] = (getdoc(verb) or "").partition("\nArgs:")[0].strip()
        super().__init__(prog=f"dmad {name}", formatter_class=HelpText, **options)

    def add_argument(self, *names: Any, **options: Any) -> Any:
        """Add a parameter of a signature as an argument or option.

        A user writes a positional list, or a list of paths, as several words. An option may be
        written with dashes instead of underscores.
        """
        name, kind = names[0], getattr(options.get("action"), "_typehint", options.get("type"))
        is_option = name.startswith("-")
        if kind is bool and options.get("default") is False:
            options |= {"nargs": "?", "const": True}  # `--undo` means `--undo true`
        if _is_list(kind) and (not is_option or Path in _item_types(kind)):
            options.pop("action", None)
            options |= {"type": Path if is_option else _item_types(kind)[0], "nargs": "+"}
        if not is_option and get_origin(kind) is not Literal:
            options["metavar"] = name.upper()
        if is_option and kind is not None and "." not in name:
            names = tuple(dict.fromkeys([name.replace("_", "-"), *names]))
        return super().add_argument(*names, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise a `DmadError` with a message of one line.

        For a misspelt name, the message proposes a similar name.
        """
        raise DmadError(self._explained(str(message))) from ex

    def _explained(self, message: str) -> str:
        see_help = f"see `{self.prog} --help`"
        _, _, rest = message.partition(": ")
        if message.startswith("the following arguments are required: "):
            missing = [self._called(key) for key in rest.split(", ")]
            return f"missing: {', '.join(missing)}; {see_help}"
        if message.startswith("unrecognized arguments: "):
            word = rest.split("=")[0].split()[0]
            near = self._nearest(word)
            return f"unknown argument {word}; " + (f"did you mean {near}?" if near else see_help)
        if message.startswith('Parser key "'):
            return self._explained_value(message)
        return f"{' '.join(message.split())}; {see_help}"

    def _explained_value(self, message: str) -> str:
        """Return an error message that says which value is wrong, and which values are allowed.

        Args:
            message: The error message of jsonargparse.
        """
        key = message.split('"')[1]
        action = next((action for action in self._actions if action.dest == key), None)
        kind = getattr(action, "_typehint", None) or getattr(action, "type", None)
        if kind is None:
            return " ".join(message.split())
        value = message.rpartition("value: ")[2].strip()
        return f"{self._called(key)} is {value!r}; give {expected(kind)}"

    def _called(self, key: str) -> str:
        """Return the name of an argument as a user writes it."""
        names = [a.option_strings[0] for a in self._actions if a.dest == key and a.option_strings]
        return names[0] if names else key.upper()

    def _nearest(self, word: str) -> str | None:
        """Return the option most similar to a wrong word; None if no option is similar.

        For example, this is `--data.root` for `--root` or `--data.rot`.
        """
        options = [name for action in self._actions for name in action.option_strings]
        inner = [name for name in options if name.endswith(f".{word.removeprefix('--')}")]
        near = inner or get_close_matches(word, options, 1, 0.65)
        return near[0] if near else None


def _is_list(kind: Any) -> bool:
    return get_origin(kind) in (list, tuple, Sequence)


def _item_types(kind: Any) -> tuple[Any, ...]:
    """Return the types of the items of a list: (str, Path) for `list[str | Path]`."""
    item = get_args(kind)[0]
    return get_args(item) or (item,)


def written(value: Any) -> str:
    """Return a value as a user writes it on the command line; "" for None and empty lists."""
    if value is None or value == HIDDEN or (isinstance(value, str | list | tuple) and not value):
        return ""
    if isinstance(value, bool | list | tuple):
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def expected(kind: Any) -> str:
    """Return a text that says which values an argument of this type may have."""
    kinds = get_args(kind)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, kinds))
    if NoneType in kinds:
        return expected(kinds[0])
    if _is_list(kind) and get_origin(kinds[0]) is Literal:
        choices = [str(choice) for choice in get_args(kinds[0])]
        return f"a list of {', '.join(choices)}, such as [{','.join(choices[:2])}]"
    if _is_list(kind):
        return "a list, such as [4,1]"
    return EXPECTED.get(kind, "another value")


def parser_of(name: str, verb: Verb) -> Parser:
    """Return a parser for the arguments of a verb."""
    parser = Parser(name, verb)
    add_options(parser, verb)
    return parser


def add_options(parser: Parser, verb: Verb, *skip: str) -> None:
    """Add the arguments of a verb, except those named in `skip`."""
    flat = {name: kind for name, kind in _flat_dataclasses(verb).items() if name not in skip}
    words = _any_number(verb)
    left_out: set[str | int] = {*flat, *words, *skip}
    parser.add_function_arguments(verb, as_group=False, as_positional=True, skip=left_out)
    params = docstring_parser.parse(getdoc(verb) or "").params
    texts = {param.arg_name: param.description for param in params}
    for name, kind in words.items():
        parser.add_argument(name, nargs="*", type=kind, default=[], help=texts.get(name))
    for kind in flat.values():
        parser.add_class_arguments(kind, as_group=False, skip={*_given_elsewhere(verb, kind)})
    hide_files_of_groups(parser)


def hide_files_of_groups(parser: Parser) -> None:
    """Hide options such as `--data FILE`, which read a whole group of options from a file."""
    for action in parser._actions:
        if any(other.dest.startswith(f"{action.dest}.") for other in parser._actions):
            action.help = HIDDEN


def call(verb: Verb, given: Namespace) -> None:
    """Call a verb with the arguments that its parser returned."""
    values = {name: given[name] for name in signature(verb).parameters if name in given}
    for name, kind in _flat_dataclasses(verb).items():
        names = {item.name for item in fields(kind)} - _given_elsewhere(verb, kind)
        values[name] = kind(**{name: given[name] for name in names})
    bound = BoundArguments(signature(verb), values)
    verb(*bound.args, **bound.kwargs)


def _flat_dataclasses(verb: Verb) -> dict[str, Any]:
    """Return the parameters whose fields are options without a prefix, and their types."""
    hints = get_type_hints(verb)
    required = [name for name, p in signature(verb).parameters.items() if p.default is p.empty]
    return {name: hints[name] for name in required if is_dataclass(hints[name])}


def _any_number(verb: Verb) -> dict[str, Any]:
    """Return name and type of the parameter of a verb that takes any number of values.

    The dict is empty if the verb has no such parameter.
    """
    hints = get_type_hints(verb)
    found = signature(verb).parameters.items()
    return {name: hints[name] for name, p in found if p.kind is Parameter.VAR_POSITIONAL}


def _given_elsewhere(verb: Verb, kind: Any) -> set[str]:
    """Return the fields of a dataclass for which other parameters already make an option.

    A second option with the same name would be an error.
    """
    hints = get_type_hints(verb)
    names = set(signature(verb).parameters)
    for hint in hints.values():
        if is_dataclass(hint) and hint is not kind:
            names |= {item.name for item in fields(hint)}
    return names & {item.name for item in fields(kind)}
