"""Arithmetic on numbers known at compile time. Whole numbers stay whole; `/` of whole numbers must come out even."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from striate.language.values import Value, describe

LARGEST = 2**53
"""Beyond it a whole number and a float no longer agree."""


class NumberError(Exception):
    """Two values that cannot be combined; `code` is the diagnostic's."""

    def __init__(self, message: str, code: str = "bad-arithmetic", help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.help = help


def calculate(sign: str, left: Value, right: Value) -> Value:
    """`left sign right` of two numbers, or an equality of tuples. Raises NumberError."""
    if isinstance(left, tuple) and isinstance(right, tuple) and sign in ("==", "!="):
        return (left == right) == (sign == "==")
    a, b = number(sign, left), number(sign, right)
    if sign in COMPARE:
        return COMPARE[sign](a, b)
    if sign in ("/", "//", "%") and b == 0:
        raise NumberError(f"{a} {sign} {b} divides by zero")
    if sign == "/" and isinstance(a, int) and isinstance(b, int):
        if a % b:
            raise NumberError(f"{a} / {b} is not whole", help="'//' rounds down; write 1.0 * to get a fraction")
        return a // b
    return in_range(CALCULATE[sign](a, b))


def negate(value: Value) -> Value:
    """`-value`."""
    return -number("-", value)


def truth(value: Value, where: str) -> bool:
    """A condition: true or false, nothing else. Raises NumberError."""
    if isinstance(value, bool):
        return value
    help = "compare it: '… != 0'" if isinstance(value, int) else None
    raise NumberError(f"{where} takes true or false, not {describe(value)}", "type-mismatch", help)


def number(sign: str, value: Value) -> int | float:
    """An operand as a number. Raises NumberError for anything else, true and false included."""
    if isinstance(value, (int, float)) and not (isinstance(value, bool) and sign not in ("==", "!=")):
        return value
    raise NumberError(f"'{sign}' takes two numbers or two tensors, not {describe(value)}", "type-mismatch")


def in_range(value: int | float) -> int | float:
    """The number itself, unless it is too large to be exact."""
    if (isinstance(value, int) and abs(value) > LARGEST) or (isinstance(value, float) and not math.isfinite(value)):
        raise NumberError(f"the result is larger than {LARGEST}")
    return value


CALCULATE: dict[str, Callable[[int | float, int | float], int | float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": operator.mod,
}

COMPARE: dict[str, Callable[[int | float, int | float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
