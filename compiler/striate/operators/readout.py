"""What looks along time: the delay, and readouts, which make one value of all steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from striate.operators.rules import require, require_at_least, written
from striate.operators.schema import Case, f32
from striate.operators.stateful import State, StatefulOperator
from striate.tensor import Array, Shape, TensorType


@dataclass(frozen=True)
class Delay(StatefulOperator):
    """Its operand as it was `steps` steps ago; 0 in the first `steps` steps.

    The operand may be defined further down: a recurrent connection. Then `size` states its shape, and it is f32.
    """

    name: ClassVar[str] = "delay"
    breaks_cycles: ClassVar[bool] = True

    steps: int
    size: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """At least one step; positive sizes."""
        require_at_least(1, steps=self.steps, size=self.size)

    def shape(self, *inputs: Shape) -> Shape:
        """The operand's, which is `size` where that is stated."""
        message = f"size of delay is {written(self.size or ())}, and its operand is {written(inputs[0])}"
        require(self.size in (None, inputs[0]), message, "size")
        return inputs[0]

    def declared(self) -> TensorType | None:
        """f32 of `size`."""
        return None if self.size is None else TensorType("f32", self.size)

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The last `steps` operands, oldest first."""
        return {f"past_{index}": inputs[0] for index in range(self.steps)}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float) -> tuple[Array, State]:
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
        return Case(cls(1), (f32(3, 4, 4),), "one step"), Case(cls(3, (5,)), (f32(5),), "three steps, size stated")


@dataclass(frozen=True)
class SpikeCount(StatefulOperator):
    """In how many steps the operand was not 0."""

    name: ClassVar[str] = "spike_count"
    reads_out: ClassVar[bool] = True

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The count so far."""
        return {"count": inputs[0]}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float) -> tuple[Array, State]:
        """One step."""
        count = state["count"] + (inputs[0] != 0).astype(inputs[0].dtype)
        return count, {"count": count}

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """A vector."""
        return (Case(cls(), (f32(5),), "a vector"),)


@dataclass(frozen=True)
class SumOverTime(StatefulOperator):
    """The sum of the operand over all steps."""

    name: ClassVar[str] = "sum_over_time"
    reads_out: ClassVar[bool] = True

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The sum so far."""
        return {"sum": inputs[0]}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float) -> tuple[Array, State]:
        """One step."""
        total = state["sum"] + inputs[0]
        return total, {"sum": total}

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """A vector."""
        return (Case(cls(), (f32(5),), "a vector"),)


@dataclass(frozen=True)
class Last(StatefulOperator):
    """The operand in the last step."""

    name: ClassVar[str] = "last"
    reads_out: ClassVar[bool] = True

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """Nothing is kept."""
        return {}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float) -> tuple[Array, State]:
        """The operand."""
        return inputs[0].copy(), {}

    def operations(self, *inputs: TensorType) -> int:
        """None."""
        return 0

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """A vector."""
        return (Case(cls(), (f32(5),), "a vector"),)
