"""The target itself: its options, and the way from a graph to a program whose kernels are built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph
from striate.targets.gpu.emission import Precision
from striate.targets.gpu.lower import Lowered, lower
from striate.targets.gpu.workers import BuildKey, BuildRequest, Built, build_all, key_of, triton_version
from striate.targets.schema import Option, Request, Target
from striate.tensor import TensorType
from striate_runtime.program import Port, Program
from striate_runtime.program.gpu import Candidate, Cubin, GpuBody, Launch

Progress = Callable[[str, int, int], None]

ARCHITECTURES = {"sm_90a": 90, "sm_80": 80}
"""What kernels are built for -> as Triton names it: Hopper, all candidates; Ampere and later, the default one."""

_TRITON_TYPES = {"f16": "*fp16", "f32": "*fp32", "i8": "*i8", "u8": "*u8", "i32": "*i32"}
_NUMPY_TYPES = {"float16": "*fp16", "float32": "*fp32", "int8": "*i8", "uint8": "*u8", "int32": "*i32"}


def compile_for_gpu(
    graph: Graph,
    *,
    precision: Precision,
    hardware_text: str,
    machine: str,
    default_batch: int = 1,
    steps: int | None = None,
    build: bool = True,
    cache: Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Program:
    """The program of a graph: `f16` and `f32` take the float graph, `i8` the quantized one; weights must be loaded.

    `steps` is how many time steps a sample of a network with time has; its ports have them as their first dimension.
    Kernels are built in `jobs` processes (None: one per processor) and kept in `cache` (None: the user's). With `build`
    off there are no cubins: enough to lower, to estimate and to interpret. Raises CompileError: needs-triton.
    """
    lowered = lower(graph, precision, default_batch=default_batch, steps=steps)
    body, cubins = lowered.body, dict[str, bytes]()
    if build:
        body, cubins = _built(lowered, cache, jobs, progress)
    sources = {name: text.encode() for name, text in lowered.sources.items()}
    return Program(
        target="gpu",
        machine=machine,
        network=graph.name,
        inputs=tuple(_ports(graph.inputs.items(), body, body.inputs)),
        outputs=tuple(
            _ports(((port, graph.type_of(name)) for port, name in graph.outputs.items()), body, body.outputs)
        ),
        hardware=hardware_text,
        body=msgspec.to_builtins(body),
        arrays=lowered.arrays,
        files={**sources, **cubins},
    )


def requests_of(lowered: Lowered) -> Iterator[tuple[Launch, Candidate, str, BuildRequest]]:
    """Everything to build: each candidate for Hopper, the default ones for Ampere too."""
    body = lowered.body
    buffers = {buffer.name: _TRITON_TYPES[buffer.dtype] for buffer in body.buffers}
    arrays = {name: _NUMPY_TYPES[array.dtype.name] for name, array in lowered.arrays.items()}
    types = {"buffer": buffers, "array": arrays, "rows": {"": "i32"}, "step": {"": "i32"}}
    for launch in body.launches:
        signature = {argument.name: types[argument.kind][argument.ref] for argument in launch.arguments}
        for candidate in launch.candidates:
            for name, arch in ARCHITECTURES.items():
                if name == "sm_90a" or candidate is launch.candidates[0]:
                    yield (
                        launch,
                        candidate,
                        name,
                        BuildRequest(
                            source=lowered.sources[candidate.source],
                            kernel=candidate.kernel,
                            signature=signature,
                            constants=candidate.constants,
                            arch=arch,
                            num_warps=candidate.num_warps,
                            num_stages=candidate.num_stages,
                            fuse=body.precision != "i8" and not launch.keeps_state,
                        ),
                    )


def _built(
    lowered: Lowered, cache: Path | None, jobs: int | None, progress: Progress | None
) -> tuple[GpuBody, dict[str, bytes]]:
    """The body with its cubins, and their files."""
    keyed = [
        (launch, candidate, name, request, key_of(request)) for launch, candidate, name, request in requests_of(lowered)
    ]
    built = build_all([request for *_, request, _ in keyed], cache=cache, jobs=jobs, progress=progress)
    files: dict[str, bytes] = {}
    cubins: dict[int, dict[str, Cubin]] = {}
    for launch, candidate, name, request, key in keyed:
        if candidate is launch.candidates[0] or built[key].spill_bytes == 0:
            cubins.setdefault(id(candidate), {})[name] = _cubin(request, name, key, built[key], files)
    launches = tuple(_with_cubins(launch, cubins) for launch in lowered.body.launches)
    versions = {"triton": triton_version()}
    return msgspec.structs.replace(lowered.body, launches=launches, versions=versions), files


def _with_cubins(launch: Launch, cubins: Mapping[int, dict[str, Cubin]]) -> Launch:
    """The launch with its candidates' cubins; of those beside the default, one that spills registers is left out."""
    kept = [candidate for candidate in launch.candidates if id(candidate) in cubins]
    filled = tuple(msgspec.structs.replace(candidate, cubins=cubins[id(candidate)]) for candidate in kept)
    return msgspec.structs.replace(launch, candidates=filled)


def _cubin(request: BuildRequest, name: str, key: BuildKey, built: Built, files: dict[str, bytes]) -> Cubin:
    file = f"cubins/{request.kernel}_{key[:16]}.{name}.cubin"
    files[file] = built.cubin
    return Cubin(file, built.entry, built.shared_bytes, built.num_warps, built.registers, built.spill_bytes)


def _ports(types: Iterable[tuple[str, TensorType]], body: GpuBody, buffers: Mapping[str, str]) -> Iterator[Port]:
    """The ports; the first dimension of one that has a value in every step is the steps."""
    over_time = {buffer.name for buffer in body.buffers if buffer.over_time}
    for name, type in types:
        steps = (body.steps,) if body.steps is not None and buffers[name] in over_time else ()
        yield Port(name, type.dtype, (*steps, *type.shape))


def _compile(request: Request) -> Program:
    options: Mapping[str, Any] = request.options
    if request.graph.dt_s is None and "steps" in request.machine.options:
        message = f"'steps' of '{request.machine.name}' is for networks with time, and '{request.graph.name}' has none"
        raise CompileError(Diagnostic("bad-machine", message, request.machine.span, help="leave it out"))
    return compile_for_gpu(
        request.graph,
        precision=cast(Precision, str(options["precision"])),
        hardware_text=request.hardware.text,
        machine=str(request.machine),
        default_batch=int(options["batch"]),
        steps=None if request.graph.dt_s is None else request.steps,
        build=request.build,
        cache=request.cache,
        progress=request.progress,
    )


TARGET = Target(
    "gpu",
    (
        Option(
            "precision", "f16", ("f16", "f32", "i8"), "what activations and weights are stored as; sums are f32 or i32"
        ),
        Option("batch", 1, (1, 4096), "how many samples go through the network at once"),
        Option(
            "steps", 0, (1, 65536), "time steps of a sample, for a network with time; unless given, those of the data"
        ),
    ),
    computes_in_integers=lambda options, _: options["precision"] == "i8",
    compile=_compile,
)
