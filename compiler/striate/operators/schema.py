"""What an operator is: its type rule, its meaning, its work, and the cases that feed every generated test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from striate.tensor import NUMPY, Array, DType, Shape, TensorType


class OperatorError(ValueError):
    """An operator cannot be applied: `attribute` names the guilty attribute, where it is one."""

    def __init__(self, message: str, attribute: str | None = None) -> None:
        super().__init__(message)
        self.attribute = attribute


@dataclass(frozen=True)
class Work:
    """What one sample costs on a machine that skips nothing.

    `macs` are multiply-accumulates; `operations` all other arithmetic (comparisons, additions, exponentials).
    Bytes are compulsory traffic: every operand and parameter once in, the result once out.
    """

    macs: int
    operations: int
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True)
class Case:
    """A small application of an operator: what every generated test applies it to.

    `low` and `high` bound the random values of float operands (integers take their full range unless bounded).
    """

    operator: Operator
    inputs: tuple[TensorType, ...]
    note: str = ""
    low: float = -2.0
    high: float = 2.0
    batch: int = 2

    def arrays(self, seed: int = 0) -> tuple[list[Array], dict[str, Array]]:
        """Random operands `[batch, *shape]` and parameters, reproducible by `seed`."""
        rng = np.random.default_rng(seed)
        operands = [_random(rng, (self.batch, *t.shape), t.dtype, self.low, self.high) for t in self.inputs]
        return operands, self.operator.sample_parameters(rng, *self.inputs)


@dataclass(frozen=True)
class Operator:
    """A named function of tensors; a subclass's dataclass fields are its attributes, in positional order.

    Shapes exclude the batch, but an attribute that names a dimension counts it, as PyTorch does: dimension 1 is
    the first of `shape`, dimension 0 (the batch) can never be named.
    """

    name: ClassVar[str]
    operands: ClassVar[tuple[str, ...]] = ("x",)
    """Names of the tensor operands, in order."""
    variadic: ClassVar[bool] = False
    """Whether the last operand may be repeated (concat)."""
    buffers: ClassVar[tuple[str, ...]] = ()
    """Roles that are measured, not learnt (a running mean): published parameter counts leave them out."""
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {}
    """The legal words of each word-valued attribute."""
    UNITS: ClassVar[dict[str, str]] = {}
    """What each attribute with a unit measures (`time`); its value is in SI units (seconds). See units.py."""
    stateful: ClassVar[bool] = False
    """Whether it keeps something from step to step, and so needs a network with dt. See stateful.py."""
    reads_out: ClassVar[bool] = False
    """Whether its value is wanted after the last step only: it has no T outside."""
    breaks_cycles: ClassVar[bool] = False
    """Whether its result is known before its operand: the only operator through which a cycle may close."""

    def __post_init__(self) -> None:
        """Raises OperatorError for an attribute that is illegal whatever the operands."""

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule. Raises OperatorError with the numbers."""
        raise AssertionError(f"{self.name} states no shape rule")

    def dtype(self, *inputs: DType) -> DType:
        """The dtype rule; by default all operands agree and the result is like them."""
        if len(set(inputs)) > 1:
            raise OperatorError(f"{self.name} takes operands of one type, not {' and '.join(inputs)}")
        return inputs[0]

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The trained tensors this application needs: role -> type (`weight`, `bias`, ...)."""
        return {}

    def result(self, *inputs: TensorType) -> TensorType:
        """The type of the result."""
        shape = self.shape(*(t.shape for t in inputs))
        dtypes: list[DType] = [t.dtype for t in inputs]
        return TensorType(self.dtype(*dtypes), shape)

    def declared(self) -> TensorType | None:
        """The type of an operand that is defined further down, where the text states it (`delay`)."""
        return None

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The meaning, in numpy: operands and result are `[N, *shape]`. Floats keep the operands' precision."""
        raise AssertionError(f"{self.name} states no reference")

    def macs(self, *inputs: TensorType) -> int:
        """Multiply-accumulates for one sample."""
        return 0

    def operations(self, *inputs: TensorType) -> int:
        """Other arithmetic operations for one sample; by default one for each number of the result."""
        return 0 if self.macs(*inputs) else self.result(*inputs).elements

    def work(self, *inputs: TensorType) -> Work:
        """What one sample costs: see Work."""
        read = sum(t.bytes for t in inputs) + sum(t.bytes for t in self.parameters(*inputs).values())
        return Work(self.macs(*inputs), self.operations(*inputs), read, self.result(*inputs).bytes)

    def sample_parameters(self, rng: np.random.Generator, *inputs: TensorType) -> dict[str, Array]:
        """Random parameters that a test can feed; an operator with constraints (a variance) overrides this."""
        return {role: _random(rng, t.shape, t.dtype, -1.0, 1.0) for role, t in self.parameters(*inputs).items()}

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Small applications that cover the operator's attributes and edges."""
        raise AssertionError(f"{cls.name} lists no cases")


def f16(*shape: int) -> TensorType:
    """`f16[shape]`; with its siblings, the shorthand that cases are written in."""
    return TensorType("f16", shape)


def f32(*shape: int) -> TensorType:
    """`f32[shape]`."""
    return TensorType("f32", shape)


def i8(*shape: int) -> TensorType:
    """`i8[shape]`."""
    return TensorType("i8", shape)


def u8(*shape: int) -> TensorType:
    """`u8[shape]`."""
    return TensorType("u8", shape)


def i32(*shape: int) -> TensorType:
    """`i32[shape]`."""
    return TensorType("i32", shape)


def _random(rng: np.random.Generator, shape: Shape, dtype: DType, low: float, high: float) -> Array:
    numpy_dtype: np.dtype[Any] = NUMPY[dtype]
    if dtype in ("f16", "f32"):
        return rng.uniform(low, high, shape).astype(numpy_dtype)
    if dtype == "i32":
        return rng.integers(-1000, 1000, shape).astype(numpy_dtype)
    limits = np.iinfo(numpy_dtype)
    return rng.integers(limits.min, limits.max + 1, shape).astype(numpy_dtype)
