"""What a target is: a kind of machine, the options it takes, and how it compiles a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from striate.diagnostics import CompileError, Diagnostic, Span, did_you_mean
from striate.graph import Graph
from striate.machine import Machine, OptionValue
from striate.tensor import Array
from striate_runtime.hardware import Hardware
from striate_runtime.program import Program

Options = Mapping[str, OptionValue]
Progress = Callable[[str, int, int], None]


def no_streams(_: Options) -> bool:
    """A sample is no stream, whatever the options."""
    return False


def nothing(_: Hardware) -> tuple[str, ...]:
    """The reasons against any machine of a target that compiles for all of its kind: none."""
    return ()


@dataclass(frozen=True)
class Option:
    """One option of a machine spec. `legal` are words, or (lowest, highest) for a number, or nothing for any text."""

    name: str
    default: OptionValue
    legal: tuple[str, ...] | tuple[float, float] | tuple[()]
    doc: str


@dataclass(frozen=True)
class Request:
    """What a target compiles: the graph in the numbers it asked for, the machine, and its options, all checked.

    `calibration` gives the sample inputs on demand, and raises CompileError where there are none. `steps` is how many
    time steps a sample has, for a network with time, or frames, for a machine that takes streams (None for others, and
    where nobody knows yet).
    With `build` off no kernels are compiled. `cache` is where built kernels are kept (None: the user's cache).
    """

    graph: Graph
    calibration: Callable[[], Mapping[str, Array]]
    hardware: Hardware
    machine: Machine
    options: Options
    build: bool = True
    progress: Progress | None = None
    cache: Path | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Target:
    """A kind of machine. `computes_in_integers` says whether one wants the quantized graph under these options,
    `takes_streams` whether it runs a network without time on streams of frames, `[N, T, *shape]`.

    `refuses` gives the reasons why no network can be compiled for a particular machine of the kind, none if it can be.
    """

    name: str
    options: tuple[Option, ...]
    computes_in_integers: Callable[[Options, Hardware], bool]
    compile: Callable[[Request], Program]
    refuses: Callable[[Hardware], tuple[str, ...]] = nothing
    takes_streams: Callable[[Options], bool] = no_streams
    defaults: Options = field(init=False)

    def __post_init__(self) -> None:
        """Derive the table of defaults."""
        object.__setattr__(self, "defaults", {option.name: option.default for option in self.options})

    def check(self, machine: Machine) -> Options:
        """The machine's options with defaults filled in. Raises CompileError[bad-machine] for what is not legal."""
        table = {option.name: option for option in self.options}
        mistakes = [
            mistake
            for name, value in machine.options.items()
            if (mistake := _mistake(machine, name, value, table)) is not None
        ]
        if mistakes:
            raise CompileError(mistakes)
        return {**self.defaults, **machine.options}

    def admit(self, hardware: Hardware, span: Span | None = None) -> None:
        """Raise CompileError[cannot-lower], once for each reason why nothing can be compiled for this machine."""
        reasons = self.refuses(hardware)
        if reasons:
            help = f"'striate targets {hardware.name}' prints what is known of it"
            message = f"nothing can be compiled for {hardware.title} yet: "
            raise CompileError([Diagnostic("cannot-lower", message + reason, span, help=help) for reason in reasons])


def _mistake(machine: Machine, name: str, value: OptionValue, table: Mapping[str, Option]) -> Diagnostic | None:
    option = table.get(name)
    if option is None:
        return Diagnostic(
            "bad-machine", f"'{machine.name}' has no option '{name}'", machine.span, help=did_you_mean(name, table)
        )
    if not option.legal:
        return None
    words = [word for word in option.legal if isinstance(word, str)]
    if words:
        if str(value) in words:
            return None
        wrong = f"'{name}' of '{machine.name}' is one of {', '.join(words)}; '{value}' is not"
        return Diagnostic("bad-machine", wrong, machine.span, help=did_you_mean(str(value), words))
    lowest, highest = (float(bound) for bound in option.legal)
    wants_integer = isinstance(option.default, int)
    legal = (int,) if wants_integer else (int, float)
    if isinstance(value, legal) and not isinstance(value, bool) and lowest <= value <= highest:
        return None
    kind = "an integer" if wants_integer else "a number"
    wrong = f"'{name}' of '{machine.name}' is {kind} from {lowest:g} to {highest:g}; {value} is not"
    return Diagnostic("bad-machine", wrong, machine.span)
