"""Rules that many operators share: which attributes, ranks, dimensions and number types are legal."""

from __future__ import annotations

from collections.abc import Iterable

from striate.operators.schema import OperatorError
from striate.tensor import DType, Shape

FLOATS: tuple[DType, ...] = ("f16", "f32")
BYTES: tuple[DType, ...] = ("i8", "u8")


def require(legal: bool, message: str, attribute: str | None = None) -> None:
    """Raises OperatorError with `message`, blaming `attribute`, unless `legal`."""
    if not legal:
        raise OperatorError(message, attribute)


def require_at_least(lowest: float, **attributes: int | float | Iterable[int] | None) -> None:
    """Every number of every named attribute is at least `lowest`; None (an attribute left out) is legal."""
    for attribute, value in attributes.items():
        if value is None:
            continue
        numbers = (value,) if isinstance(value, (int, float)) else tuple(value)
        require(
            all(number >= lowest for number in numbers),
            f"{attribute} must be at least {lowest}, and is {_written(numbers)}",
            attribute,
        )


def require_word(word: str, legal: Iterable[str], attribute: str) -> None:
    """The value of a word-valued attribute is one of the legal words."""
    words = tuple(legal)
    allowed = f"is one of {', '.join(words)}" if words else "takes no word"
    require(word in words, f"{attribute} {allowed}, not '{word}'", attribute)


def require_rank(operator: str, layout: str, shape: Shape) -> None:
    """`shape` has as many dimensions as `layout` ("C, H, W") names."""
    wanted = layout.count(",") + 1
    require(len(shape) == wanted, f"{operator} takes [{layout}], not {written(shape)}")


def axis_of(dim: int, rank: int, attribute: str = "dim") -> int:
    """The axis that `dim` names in a tensor of `rank` dimensions besides the batch, which is axis 0.

    Negatives count from the end. The axis indexes the array; one less indexes the shape.
    Raises OperatorError for the batch or beyond.
    """
    axis = dim + rank + 1 if dim < 0 else dim
    require(axis != 0, f"{attribute}={dim} names the batch, which no operator may touch", attribute)
    require(
        1 <= axis <= rank,
        f"{attribute}={dim} names no dimension: there are {rank} besides the batch, 1 to {rank}",
        attribute,
    )
    return axis


def axes_of(dims: int | tuple[int, ...], rank: int, attribute: str = "dim") -> tuple[int, ...]:
    """The axes that one or several dimensions name, each once, in ascending order."""
    axes = sorted(axis_of(dim, rank, attribute) for dim in ((dims,) if isinstance(dims, int) else dims))
    require(len(axes) > 0, f"{attribute} names no dimension", attribute)
    require(len(set(axes)) == len(axes), f"{attribute}={_written(dims)} names a dimension twice", attribute)
    return tuple(axes)


def same_type(operator: str, inputs: tuple[DType, ...]) -> DType:
    """The one type that all operands have."""
    require(len(set(inputs)) == 1, f"{operator} takes operands of one type, not {' and '.join(inputs)}")
    return inputs[0]


def float_type(operator: str, inputs: tuple[DType, ...]) -> DType:
    """The one floating point type that all operands have."""
    dtype = same_type(operator, inputs)
    require(dtype in FLOATS, f"{operator} works on floats, and its operand is {dtype}")
    return dtype


def accumulator_type(operator: str, inputs: tuple[DType, ...]) -> DType:
    """The type of a sum of products: i32 for bytes (i8 and u8 may mix), like the operands for floats."""
    if all(dtype in BYTES for dtype in inputs):
        return "i32"
    dtype = same_type(operator, inputs)
    require(dtype in FLOATS, f"{operator} works on f16, f32, i8 and u8, and its operand is {dtype}")
    return dtype


def written(shape: Shape) -> str:
    """A shape as the language writes it: `[3, 224, 224]`."""
    return f"[{', '.join(map(str, shape))}]"


def _written(value: int | tuple[int | float, ...]) -> str:
    return str(value[0]) if isinstance(value, tuple) and len(value) == 1 else str(value)
