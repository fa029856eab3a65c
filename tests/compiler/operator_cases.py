"""The operators' cases as tests take them, in double precision, and where their windows begin."""

from __future__ import annotations

import math

import numpy as np

from striate.operators.schema import Case, Operator
from striate.operators.windows import pair
from striate.tensor import Array


def doubles(case: Case) -> tuple[list[Array], dict[str, Array]]:
    operands, parameters = case.arrays(7)
    return [x.astype(np.float64) for x in operands], {role: p.astype(np.float64) for role, p in parameters.items()}


def cases_of(*operators: type[Operator]) -> list[Case]:
    return [case for operator in operators for case in operator.cases() if case.inputs[0].dtype != "f16"]


def titled(case: Case) -> str:
    return f"{case.operator.name} {case.note}".replace(" ", "-")


def borders(padding: int | tuple[int, ...] | str, size: tuple[int, int], span: list[int], step: list[int]) -> list[int]:
    """(left, top): what lies before the image."""
    if isinstance(padding, str):
        total = [max((math.ceil(n / s) - 1) * s + k - n, 0) for n, k, s in zip(size, span, step, strict=True)]
        return [total[1] // 2, total[0] // 2]
    if isinstance(padding, tuple) and len(padding) == 4:
        return [padding[0], padding[2]]
    return [pair(padding)[1], pair(padding)[0]]
