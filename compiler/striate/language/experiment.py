"""The compare section, and machines as a command line names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from striate.diagnostics import CompileError, Diagnostic, Note, Source, Span, did_you_mean
from striate.language import syntax
from striate.language.scope import Mistakes, StatementError
from striate.machine import Machine, OptionValue

SETTINGS = ("data", "calibration")


@dataclass(frozen=True)
class Experiment:
    """What to compare, on what: paths are relative to the text's folder; `spans` say where each setting stands."""

    data: str | None = None
    calibration: str | None = None
    machines: tuple[Machine, ...] = ()
    spans: Mapping[str, Span] = field(default_factory=dict[str, Span], compare=False, repr=False)


def elaborate_experiment(compare: syntax.Compare, mistakes: Mistakes) -> Experiment:
    """The section as an Experiment; what is wrong is added to `mistakes`."""
    settings: dict[str, syntax.Setting] = {}
    machines: list[Machine] = []
    for entry in compare.entries:
        if isinstance(entry, syntax.MachineEntry):
            try:
                machines.append(_machine(entry, mistakes))
            except StatementError:
                continue
        elif entry.name.text not in SETTINGS:
            message = f"there is no setting '{entry.name.text}'"
            help = did_you_mean(entry.name.text, SETTINGS)
            mistakes.add(Diagnostic("unknown-setting", message, entry.name.span, help=help))
        elif entry.name.text in settings:
            note = Note("it is set first here", settings[entry.name.text].name.span)
            message = f"'{entry.name.text}' is set twice"
            mistakes.add(Diagnostic("name-used-twice", message, entry.name.span, (note,)))
        else:
            settings[entry.name.text] = entry
    values = {name: setting.value for name, setting in settings.items()}
    spans = {name: setting.span for name, setting in settings.items()}
    return Experiment(values.get("data"), values.get("calibration"), tuple(machines), spans)


def _machine(entry: syntax.MachineEntry, mistakes: Mistakes) -> Machine:
    options: dict[str, OptionValue] = {}
    for argument in entry.arguments:
        value = _option(argument.value)
        if argument.keyword is None or value is None:
            message = "a machine's options are written name=value, the value a word, a number or a string"
            raise mistakes.add(
                Diagnostic("bad-machine", message, argument.span, help="as in gpu(precision=i8, batch=64)")
            )
        if argument.keyword.text in options:
            message = f"the option '{argument.keyword.text}' is given twice"
            raise mistakes.add(Diagnostic("bad-machine", message, argument.keyword.span))
        options[argument.keyword.text] = value
    return Machine(entry.name.text, options, entry.span)


def _option(value: syntax.Expression) -> OptionValue | None:
    match value:
        case syntax.Literal(number):
            return number
        case syntax.Reference(name):
            return name.text
        case syntax.Prefix(syntax.Token("-"), syntax.Literal(int() | float() as number)) if not isinstance(
            number, bool
        ):
            return -number
        case _:
            return None


# -- a machine on the command line

_SPEC = re.compile(r"\s*(?P<name>[^()]*[^()\s])\s*(?:\((?P<options>[^()]*)\)\s*)?")
_OPTION = re.compile(r"\s*(?P<key>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>[^=\s](?:[^=]*[^=\s])?)\s*")
_WORDS: dict[str, OptionValue] = {"true": True, "false": False}


def parse_machine(text: str) -> Machine:
    """`gpu(precision=i8, batch=64)`, `loihi2`, `path/to/my.toml(steps=64)` (the path also in quotes) as a Machine.

    Raises CompileError[bad-machine] with a caret. Whether there is such a machine is the targets' to say.
    """
    source = Source("<machine>", text)

    def wrong(message: str, start: int, end: int) -> CompileError:
        help = "as in gpu, gpu(precision=i8, batch=64) or path/to/chip.toml(coding=graded)"
        return CompileError(Diagnostic("bad-machine", message, Span(source, start, end), help=help))

    spec = _SPEC.fullmatch(text)
    if spec is None:
        start = _first_odd(text)
        raise wrong(f"'{text}' names no machine" if not text.strip() else "the brackets do not match", start, len(text))
    options: dict[str, OptionValue] = {}
    start = spec.start("options")
    parts = spec["options"].split(",") if spec["options"] and spec["options"].strip() else []
    for part in parts:
        option = _OPTION.fullmatch(part)
        if option is None:
            raise wrong("an option is written name=value", start, start + len(part))
        if option["key"] in options:
            raise wrong(
                f"the option '{option['key']}' is given twice", start + option.start("key"), start + option.end("key")
            )
        options[option["key"]] = _option_value(option["value"])
        start += len(part) + 1
    return Machine(_unquoted(spec["name"].strip()), options, Span(source, 0, len(text)))


def _option_value(text: str) -> OptionValue:
    if text in _WORDS:
        return _WORDS[text]
    if re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", text):
        return float(text)
    return _unquoted(text)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _first_odd(text: str) -> int:
    return next((index for index, character in enumerate(text) if character in "()"), 0)
