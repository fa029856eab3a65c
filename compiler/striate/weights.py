"""Weights: what a network says about them, and how its parameters get their values."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from striate.diagnostics import CompileError, Diagnostic, Note, Span, nearest
from striate.graph import Graph, Node, Parameter
from striate.operators.neuron import Neuron
from striate.operators.schema import OperatorError
from striate.operators.stateful import StatefulOperator
from striate.tensor import NUMPY, Array, TensorType


@dataclass(frozen=True)
class WeightsDeclaration:
    """`weights "path" sha256 "..."` (the path is relative to the text's folder) or `weights init(seed)`."""

    path: str | None = None
    sha256: str | None = None
    seed: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_option(cls, option: str) -> WeightsDeclaration:
        """What a command line names: `init(0)`, or a path."""
        seeded = re.fullmatch(r"\s*init\(\s*([0-9]{1,18})\s*\)\s*", option)
        return cls(seed=int(seeded[1])) if seeded else cls(path=option)


def load_weights(graph: Graph, declaration: WeightsDeclaration | None, base: Path) -> None:
    """Give every parameter of the graph its value; without a declaration they stay unknown.

    Raises CompileError with everything that is wrong: the file, its hash, tensors missing, shapes, dtypes, NaN.
    """
    if declaration is None:
        return
    if declaration.path is None:
        values = {name: array for node in graph for name, array in _initial(graph, node, declaration.seed or 0)}
    else:
        values = _Checked(graph, declaration, _read(declaration, base / declaration.path)).values()
    for name, value in values.items():
        graph.parameters[name] = Parameter(graph.parameters[name].type, value)
    _check_neurons(graph)


def _check_neurons(graph: Graph) -> None:
    """Neurons whose numbers are among the weights have legal ones. Raises CompileError[bad-weights]."""
    mistakes: list[Diagnostic] = []
    for node in graph:
        values = {role: graph.value(node, role) for role in node.parameters}
        known = {role: value for role, value in values.items() if value is not None}
        if not isinstance(node.operator, StatefulOperator) or graph.dt_s is None or not known:
            continue
        try:
            node.operator.check_parameters(graph.dt_s, **known)
        except OperatorError as error:
            name = node.parameters[error.attribute or next(iter(known))]
            mistakes.append(Diagnostic("bad-weights", f"'{name}': {error}", node.span))
    if mistakes:
        raise CompileError(mistakes)


# -- from a file

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "I32": np.dtype("<i4"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
    "I16": np.dtype("<i2"),
    "U16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "I64": np.dtype("<i8"),
    "U64": np.dtype("<u8"),
}
"""safetensors' dtypes and how numpy reads them; bf16 is the upper half of an f32."""

_FLOATS = ("F64", "F32", "F16", "BF16")


def _read(declaration: WeightsDeclaration, path: Path) -> dict[str, tuple[str, Array]]:
    from safetensors import SafetensorError, deserialize  # pyright: ignore[reportUnknownVariableType]

    if re.match(r"\s*init\b", declaration.path or "") and not path.exists():
        message = f"'{declaration.path}' is not a seed: write init(SEED) with a whole number of at most 18 digits"
        raise CompileError(Diagnostic("bad-weights", message, declaration.span))

    def wrong(message: str, help: str | None = None) -> CompileError:
        return CompileError(Diagnostic("bad-weights", message, declaration.span, help=help))

    try:
        data = path.read_bytes()
    except OSError as error:
        others = [p.name for p in path.parent.glob("*.safetensors")] if path.parent.is_dir() else []
        near = nearest(path.name, others)
        raise wrong(f"{path}: {error.strerror or error}", f"did you mean '{near}'?" if near else None) from error
    if declaration.sha256 is not None:
        found = hashlib.sha256(data).hexdigest()
        if found != declaration.sha256.lower():
            raise wrong(f"{path} is another file than the text means: its sha256 is {found}")
    try:
        tensors: list[tuple[str, dict[str, Any]]] = deserialize(data)
    except SafetensorError as error:
        raise wrong(f"{path} is not a safetensors file: {error}") from error
    return {name: (t["dtype"], _array(t)) for name, t in tensors if t["dtype"] in _DTYPES}


def _array(tensor: Mapping[str, Any]) -> Array:
    array = np.frombuffer(bytes(tensor["data"]), _DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
    return (array.astype(np.uint32) << 16).view(np.float32) if tensor["dtype"] == "BF16" else array


class _Checked:
    """The tensors of one file against the parameters of one graph."""

    def __init__(self, graph: Graph, declaration: WeightsDeclaration, tensors: dict[str, tuple[str, Array]]) -> None:
        self.graph = graph
        self.declaration = declaration
        self.tensors = tensors
        self.mistakes: list[Diagnostic] = []

    def values(self) -> dict[str, Array]:
        """Every parameter's value. Raises CompileError."""
        spans = {name: node.span for node in self.graph for name in node.parameters.values()}
        values = {name: self.value(name, p.type, spans.get(name)) for name, p in self.graph.parameters.items()}
        if self.mistakes:
            raise CompileError(self.mistakes)
        return {name: value for name, value in values.items() if value is not None}

    def value(self, name: str, type: TensorType, span: Span | None) -> Array | None:
        """One parameter's value, or None after noting what is wrong with it."""
        path = self.declaration.path
        if name not in self.tensors:
            unused = sorted(self.tensors.keys() - self.graph.parameters.keys())
            near = nearest(name, unused)
            help = f"did you mean '{near}'? A parameter's name can be set: weight=\"{near}\"" if near else None
            return self.complain("missing-weights", f"'{path}' has no tensor '{name}' ({type})", span, help)
        dtype, array = self.tensors[name]
        if array.shape != type.shape:
            shape = f"[{', '.join(map(str, array.shape))}]"
            return self.complain("bad-weights", f"'{name}' is {shape} in '{path}', must be {type}", span)
        if not (dtype in _FLOATS and type.is_float) and array.dtype != NUMPY[type.dtype]:
            return self.complain("bad-weights", f"'{name}' holds {dtype} in '{path}', must be {type}", span)
        with np.errstate(over="ignore"):
            value = np.ascontiguousarray(array, NUMPY[type.dtype])
        if type.is_float and not np.isfinite(value).all():
            count = int(np.count_nonzero(~np.isfinite(value)))
            return self.complain("bad-weights", f"'{name}' in '{path}' has {count} numbers that are not finite", span)
        return value

    def complain(self, code: str, message: str, span: Span | None, help: str | None = None) -> None:
        """Note a mistake, at the node that needs the tensor."""
        notes = (Note("the weights are named here", self.declaration.span),) if self.declaration.span else ()
        self.mistakes.append(Diagnostic(code, message, span, notes, help))


# -- from a seed

_CONSTANT = {
    ("batch_norm", "weight"): 1.0,
    ("batch_norm", "bias"): 0.0,
    ("batch_norm", "running_mean"): 0.0,
    ("batch_norm", "running_var"): 1.0,
    ("prelu", "weight"): 0.25,
    ("sigma_delta", "bias"): 0.0,
}
"""(operator, role) -> the number that PyTorch fills it with."""

_NEURONS = {"threshold": 1.0, "decay_current": 0.5, "decay_voltage": 0.5}
_STEPS_OF_TAU = 10
"""What neurons given by channel start with: a threshold, decays, and time constants of so many steps."""


def _initial(graph: Graph, node: Node, seed: int) -> list[tuple[str, Array]]:
    """PyTorch's default initialisation: uniform within 1 / sqrt(fan in) for weights and biases (He et al. 2015, eq. 10,
    with a = sqrt(5)). Each parameter's numbers depend on the seed and its name only.
    """
    values: list[tuple[str, Array]] = []
    for role, name in node.parameters.items():
        type = graph.parameters[name].type
        constant = _CONSTANT.get((node.operator.name, role))
        if isinstance(node.operator, Neuron) and graph.dt_s is not None:
            constant = _NEURONS.get(role, _STEPS_OF_TAU * graph.dt_s)
        if constant is not None:
            values.append((name, np.full(type.shape, constant, NUMPY[type.dtype])))
            continue
        if not type.is_float or role not in ("weight", "bias"):
            message = (
                f"'{name}' ({type}, the {role} of {node.operator.name}) has no initial value; name a file of weights"
            )
            raise CompileError(Diagnostic("bad-weights", message, node.span))
        bound = 1 / math.sqrt(math.prod(graph.parameter(node, "weight").type.shape[1:]))
        digest = hashlib.sha256(name.encode()).digest()
        rng = np.random.default_rng([seed, *np.frombuffer(digest, "<u4").tolist()])
        values.append((name, rng.uniform(-bound, bound, type.shape).astype(NUMPY[type.dtype])))
    return values
