"""What looks along time: the delay, and readouts, which make one value of all steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from striate.operators.rules import require, require_at_least, require_word, written
from striate.operators.schema import Case, f32, i8, i32, u8
from striate.operators.stateful import State, StatefulOperator
from striate.tensor import Array, DType, Shape, TensorType

TYPES: dict[str, DType] = {"f32": "f32", "i8": "i8", "u8": "u8", "i32": "i32"}
"""What a delay can hold, as its `of` writes it."""

MOST_STEPS = 10_000
"""How many steps a delay can look back: every one of them is kept."""


@dataclass(frozen=True)
class Delay(StatefulOperator):
    """Its operand as it was `steps` steps ago; 0 in the first `steps` steps.

    The operand may be defined further down: a recurrent connection. Then `size` states its shape, and `of` its type.
    """

    name: ClassVar[str] = "delay"
    breaks_cycles: ClassVar[bool] = True
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"of": tuple(TYPES)}

    steps: int
    size: tuple[int, ...] | None = None
    of: str = "f32"

    def __post_init__(self) -> None:
        """At least one step, and not too many to be kept; positive sizes; a known type."""
        require_at_least(1, steps=self.steps, size=self.size)
        message = f"a delay keeps {MOST_STEPS:,} steps at most, not {self.steps:,}"
        require(self.steps <= MOST_STEPS, message, "steps")
        require_word(self.of, self.WORDS["of"], "of")

    def dtype(self, *inputs: DType) -> DType:
        """The operand's, which is `of`."""
        message = f"delay holds {self.of}, and its operand is {inputs[0]}"
        require(inputs[0] == self.of, message, "of")
        return inputs[0]

    def shape(self, *inputs: Shape) -> Shape:
        """The operand's, which is `size` where that is stated."""
        message = f"size of delay is {written(self.size or ())}, and its operand is {written(inputs[0])}"
        require(self.size in (None, inputs[0]), message, "size")
        return inputs[0]

    def declared(self) -> TensorType | None:
        """`of`, in the shape `size`."""
        return None if self.size is None else TensorType(TYPES[self.of], self.size)

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The last `steps` operands, oldest first."""
        return {f"past_{index}": inputs[0] for index in range(self.steps)}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """The oldest of the state; every other moves up by one."""
        newer = {f"past_{index}": state[f"past_{index + 1}"] for index in range(self.steps - 1)}
        return self.peek(state), {**newer, f"past_{self.steps - 1}": inputs[0]}

    def peek(self, state: State) -> Array:
        """The result of this step, which this step's operand has no part in."""
        return state["past_0"]

    def operations(self, *inputs: TensorType) -> int:
        """None: only memory."""
        return 0

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """One step and several, with and without the size."""
        return (
            Case(cls(1), (f32(3, 4, 4),), "one step"),
            Case(cls(3, (5,)), (f32(5),), "three steps, size stated"),
            Case(cls(2, of="i8"), (i8(3, 4, 4),), "spikes"),
            Case(cls(2, of="u8"), (u8(3, 4, 4),), "codes"),
            Case(cls(1, of="i32"), (i32(5),), "i32"),
        )


@dataclass(frozen=True)
class SpikeCount(StatefulOperator):
    """In how many steps the operand was not 0: in f32, or of integers in i32."""

    name: ClassVar[str] = "spike_count"
    reads_out: ClassVar[bool] = True

    def dtype(self, *inputs: DType) -> DType:
        """f32 of f32, i32 of integers."""
        return _total_type(self.name, inputs[0])

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The count so far."""
        return {"count": self.result(*inputs)}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        count = state["count"] + (inputs[0] != 0).astype(state["count"].dtype)
        return count, {"count": count}

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Floats, spikes, and sums of weights."""
        return Case(cls(), (f32(5),), "a vector"), Case(cls(), (i8(5),), "spikes"), Case(cls(), (i32(3, 4, 4),), "i32")


@dataclass(frozen=True)
class SumOverTime(StatefulOperator):
    """The sum of the operand over all steps: in f32, or of integers in i32 (modulo 2^32)."""

    name: ClassVar[str] = "sum_over_time"
    reads_out: ClassVar[bool] = True

    def dtype(self, *inputs: DType) -> DType:
        """f32 of f32, i32 of integers."""
        return _total_type(self.name, inputs[0])

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The sum so far."""
        return {"sum": self.result(*inputs)}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        total = state["sum"] + inputs[0].astype(state["sum"].dtype)
        return total, {"sum": total}

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Floats, spikes, and sums of weights."""
        return Case(cls(), (f32(5),), "a vector"), Case(cls(), (i8(5),), "spikes"), Case(cls(), (i32(3, 4, 4),), "i32")


@dataclass(frozen=True)
class Last(StatefulOperator):
    """The operand in the last step."""

    name: ClassVar[str] = "last"
    reads_out: ClassVar[bool] = True

    def dtype(self, *inputs: DType) -> DType:
        """The operand's."""
        _total_type(self.name, inputs[0])
        return inputs[0]

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """Nothing is kept."""
        return {}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """The operand."""
        return inputs[0].copy(), {}

    def operations(self, *inputs: TensorType) -> int:
        """None."""
        return 0

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Floats, spikes, and sums of weights."""
        return (
            Case(cls(), (f32(5),), "a vector"),
            Case(cls(), (i8(5),), "spikes"),
            Case(cls(), (u8(5),), "codes"),
            Case(cls(), (i32(3, 4, 4),), "i32"),
        )


def _total_type(operator: str, x: DType) -> DType:
    """What adds up values of type x."""
    require(x in TYPES, f"{operator} works on f32, i8, u8 and i32, and its operand is {x}")
    return "f32" if x == "f32" else "i32"
