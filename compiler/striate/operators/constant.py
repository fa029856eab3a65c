"""Numbers that do not depend on the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from striate.operators.rules import require_at_least, require_word
from striate.operators.schema import Case, Operator
from striate.tensor import DTYPES, Array, DType, Shape, TensorType


@dataclass(frozen=True)
class Constant(Operator):
    """A fixed tensor, the same for every sample: no operands -> [1, *size], a batch of one that broadcasts.

    value: size, of type `to`.
    """

    name: ClassVar[str] = "constant"
    operands: ClassVar[tuple[str, ...]] = ()
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"to": DTYPES}

    size: tuple[int, ...]
    to: str = "f32"

    def __post_init__(self) -> None:
        """Positive sizes of a known type."""
        require_at_least(1, size=self.size)
        require_word(self.to, DTYPES, "to")

    def shape(self, *inputs: Shape) -> Shape:
        """`size`."""
        return self.size

    def dtype(self, *inputs: DType) -> DType:
        """`to`."""
        return next(dtype for dtype in DTYPES if dtype == self.to)

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The value itself."""
        return {"value": TensorType(self.dtype(), self.size)}

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The value, as a batch of one."""
        return parameters["value"][None]

    def operations(self, *inputs: TensorType) -> int:
        """None: only traffic."""
        return 0

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every type."""
        return tuple(Case(cls((3, 4), dtype), (), dtype, batch=1) for dtype in DTYPES)
