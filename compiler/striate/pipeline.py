"""Text -> program, stage by stage. START READING HERE.

    read        text -> syntax -> graph, with the weights loaded          (language, weights)
    optimise    graph -> the same function, less work                     (passes)
    quantize    graph -> the same operators on integers, calibrated       (passes, where a machine wants it; with
                time by quantize_time, in the neurons that chips have)
    lower       graph -> program for one machine                          (targets)

`Compilation` holds one network and keeps each stage's value, so that several machines share the work and
`--emit STAGE` can show any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from striate.data import load_arrays, random_inputs
from striate.diagnostics import CompileError, Diagnostic, Source
from striate.machine import Machine
from striate.tensor import Array

if TYPE_CHECKING:
    from striate.graph import Graph
    from striate.language import Experiment
    from striate.passes import PassReport
    from striate_runtime.program import Program

Progress = Callable[[str, int, int], None]
Observe = Callable[[str, "Graph"], None]

STAND_IN_STEPS = 8
"""How many time steps a sample has that stands in for one that nobody gave."""


@dataclass
class Compilation:
    """One network on its way to one or more machines.

    `calibration` are arrays for the graph's inputs, `[N, *shape]`, over time `[N, T, *shape]`. With `stand_ins`,
    weights and calibration that are missing are random: enough to check that a network compiles and fits.
    `weights_are_random` says it happened. `steps` is the T of the data that a network with time is to run on, or of
    streams of frames, where they are known.
    """

    source: Source
    base: Path
    graph: Graph
    experiment: Experiment
    stand_ins: bool = False
    weights_are_random: bool = False
    observe: Observe | None = None
    steps: int | None = None
    pass_reports: list[PassReport] = field(default_factory=list["PassReport"])
    _calibration: Mapping[str, Array] | None = None

    @cached_property
    def optimised(self) -> Graph:
        """The float graph after every pass."""
        from striate.passes import run_passes

        graph = self.graph.copy()
        self.pass_reports += run_passes(graph, observe=self._watch)
        return graph

    @cached_property
    def quantized(self) -> Graph:
        """The integer graph: the truth for every machine that computes in integers."""
        from striate.passes import quantize, quantize_time
        from striate.verify import verify

        graph = self.optimised.copy()
        if graph.dt_s is None:
            quantize(graph, self.calibration)
        else:
            quantize_time(graph, self.calibration)
        verify(graph, "quantize")
        if self.observe:
            self.observe("quantize", graph)
        return graph

    @cached_property
    def calibration(self) -> Mapping[str, Array]:
        """The arrays that scales are taken from; CompileError[needs-calibration] where there are none."""
        if self._calibration is not None:
            return self._calibration
        if self.experiment.calibration is not None:
            return load_arrays(self.base / self.experiment.calibration, self.graph.inputs, self.graph.dt_s)
        if self.stand_ins:
            return random_inputs(self.graph.inputs, steps=self._stand_in_steps)
        raise CompileError(
            Diagnostic(
                "needs-calibration",
                f"'{self.graph.name}' must be calibrated before it can compute in integers",
                help="name sample inputs: 'calibration \"FILE.npz\"' in the compare section, or --calibration FILE.npz",
            )
        )

    def steps_on(self, machine: Machine) -> int | None:
        """How many steps a sample has on a machine: what its `steps` says, else the data, else the calibration data.

        For a network without time, how many frames the data have where they are streams. Raises
        CompileError[needs-calibration] where nothing says it.
        """
        if self.graph.dt_s is None:
            return self.steps
        asked = machine.options.get("steps")
        if isinstance(asked, int):
            return asked
        if self.steps is not None:
            return self.steps
        if not (self._calibration or self.experiment.calibration or self.stand_ins):
            message = f"nothing says for how many time steps '{self.graph.name}' is to be compiled"
            help = f"write '{machine.name}(steps=N)', or name sample inputs with --data or --calibration"
            raise CompileError(Diagnostic("needs-calibration", message, machine.span, help=help))
        return int(next(iter(self.calibration.values())).shape[1])

    @property
    def steps_of_answers(self) -> int | None:
        """How many steps the data have, if a network with time answers in every one of them, not once at the end."""
        once = self.graph.downstream(node.name for node in self.graph if node.operator.reads_out)
        answers_once = self.graph.dt_s is None or not once.isdisjoint(self.graph.outputs.values())
        return None if answers_once else self.steps

    @property
    def _stand_in_steps(self) -> int | None:
        return None if self.graph.dt_s is None else self.steps or STAND_IN_STEPS

    def _watch(self, name: str, graph: Graph) -> None:
        if self.observe:
            self.observe(name, graph)


def read(
    text_or_path: str | Path,
    *,
    weights: str | None = None,
    calibration: Path | Mapping[str, Array] | None = None,
    stand_ins: bool = False,
    observe: Observe | None = None,
) -> Compilation:
    """Parse, elaborate and load the weights. Raises CompileError with every mistake found.

    `weights` overrides the text's declaration: a safetensors path, or `init(SEED)`. `stand_ins` lets a network
    without weights or calibration be checked.
    """
    from striate.language import WeightsDeclaration, elaborate, parse
    from striate.weights import load_weights

    source, base = open_source(text_or_path)
    elaborated = elaborate(parse(source))
    graph, declaration = elaborated.graph, elaborated.weights
    if weights is not None:
        declaration, base_of_weights = WeightsDeclaration.from_option(weights), Path()
    else:
        base_of_weights = base
    is_random = declaration is None and bool(graph.parameters)
    if is_random and not stand_ins:
        raise CompileError(
            Diagnostic(
                "missing-weights",
                f"'{graph.name}' has {len(graph.parameters)} parameters and names no weights",
                help="write 'weights \"FILE.safetensors\"' or 'weights init(0)' in the network, or pass --weights",
            )
        )
    load_weights(graph, declaration or WeightsDeclaration.from_option("init(0)"), base_of_weights)
    compilation = Compilation(source, base, graph, elaborated.experiment, stand_ins, is_random, observe)
    if isinstance(calibration, Path):
        compilation._calibration = load_arrays(calibration, graph.inputs, graph.dt_s)  # pyright: ignore[reportPrivateUsage]
    elif calibration is not None:
        compilation._calibration = calibration  # pyright: ignore[reportPrivateUsage]
    return compilation


def open_source(text_or_path: str | Path) -> tuple[Source, Path]:
    """The source and the folder its relative paths start from. A string with a line break or a brace is text."""
    if isinstance(text_or_path, str) and ("\n" in text_or_path or "{" in text_or_path):
        return Source("<text>", text_or_path), Path()
    path = Path(text_or_path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CompileError(Diagnostic("unreadable-file", f"{path}: {error.strerror or error}")) from error
    try:
        return Source(str(path), data.decode("utf-8-sig")), path.parent
    except UnicodeDecodeError as error:
        message = f"{path} is not text: byte {error.start} is 0x{data[error.start]:02x}, which is not UTF-8"
        help = "a compiled program goes to 'striate run' or 'striate profile'" if data.startswith(b"PK") else None
        raise CompileError(Diagnostic("not-text", message, help=help)) from error


def lower(
    compilation: Compilation, machine: Machine, *, build: bool = True, progress: Progress | None = None
) -> Program:
    """The program for one machine. With `build` off, no kernels are compiled: enough to know that it fits."""
    from striate.targets import find
    from striate.targets.schema import Request

    target, hardware, options = find(machine)
    target.admit(hardware, machine.span)
    graph = compilation.quantized if target.computes_in_integers(options, hardware) else compilation.optimised
    return target.compile(
        Request(
            graph,
            lambda: compilation.calibration,
            hardware,
            machine,
            options,
            build=build,
            progress=progress,
            steps=compilation.steps_on(machine),
        )
    )


def compile(
    text_or_path: str | Path,
    on: str = "gpu",
    *,
    weights: str | None = None,
    calibration: Path | Mapping[str, Array] | None = None,
    progress: Progress | None = None,
    steps: int | None = None,
) -> Program:
    """Compile a network (its text, or the path of a file) for the machine that `on` names.

    `steps`: how many steps a sample has, for a network with time, or frames, for machines that take streams.
    """
    from striate.language import parse_machine

    compilation = read(text_or_path, weights=weights, calibration=calibration)
    compilation.steps = steps
    return lower(compilation, parse_machine(on), progress=progress)
