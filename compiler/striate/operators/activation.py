"""Activations that bend: functions of one number, applied to each, that need an exponential (or look like they do)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.pointwise import Pointwise
from striate.operators.rules import require_word
from striate.operators.schema import Case
from striate.tensor import Array


@dataclass(frozen=True)
class Elu(Pointwise):
    """A rectifier with a soft floor: y = x where x > 0, alpha (exp(x) - 1) elsewhere (Clevert et al. 2016, eq. 15)."""

    name: ClassVar[str] = "elu"
    cost: ClassVar[int] = 3

    alpha: float = 1.0

    def function(self, x: Array) -> Array:
        """X, or alpha (exp(x) - 1)."""
        return np.where(x > 0, x, x.dtype.type(self.alpha) * np.expm1(np.minimum(x, 0)))

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """The default and another alpha."""
        return cls.float_cases(cls(), cls(0.3))


@dataclass(frozen=True)
class Sigmoid(Pointwise):
    """Between nothing and one: y = 1 / (1 + exp(-x))."""

    name: ClassVar[str] = "sigmoid"
    cost: ClassVar[int] = 3

    def function(self, x: Array) -> Array:
        """The logistic function."""
        return _sigmoid(x)

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Both tails."""
        return cls.float_cases(cls())


@dataclass(frozen=True)
class Tanh(Pointwise):
    """Between minus one and one: y = tanh(x)."""

    name: ClassVar[str] = "tanh"
    cost: ClassVar[int] = 4

    def function(self, x: Array) -> Array:
        """tanh(x)."""
        return np.tanh(x)

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Both tails."""
        return cls.float_cases(cls())


@dataclass(frozen=True)
class HardSigmoid(Pointwise):
    """A sigmoid of straight lines: y = min(max(x + 3, 0), 6) / 6."""

    name: ClassVar[str] = "hard_sigmoid"
    cost: ClassVar[int] = 4

    def function(self, x: Array) -> Array:
        """relu6(x + 3) / 6."""
        return np.clip(x + 3, 0, 6) / 6

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Both corners."""
        return cls.float_cases(cls())


@dataclass(frozen=True)
class HardSwish(Pointwise):
    """A swish of straight lines: y = x min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, section 5.2)."""

    name: ClassVar[str] = "hard_swish"
    cost: ClassVar[int] = 5

    def function(self, x: Array) -> Array:
        """X relu6(x + 3) / 6."""
        return x * np.clip(x + 3, 0, 6) / 6

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Both corners."""
        return cls.float_cases(cls())


@dataclass(frozen=True)
class Silu(Pointwise):
    """X by its own sigmoid, also called swish: y = x / (1 + exp(-x)) (Elfwing et al. 2018, equation 6)."""

    name: ClassVar[str] = "silu"
    cost: ClassVar[int] = 4

    def function(self, x: Array) -> Array:
        """X sigmoid(x)."""
        return x * _sigmoid(x)

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Both tails."""
        return cls.float_cases(cls())


@dataclass(frozen=True)
class Gelu(Pointwise):
    """X by the normal distribution's share below it (Hendrycks and Gimpel 2016, section 2).

    approximate=none: y = x (1 + erf(x / sqrt 2)) / 2; tanh: y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
    """

    name: ClassVar[str] = "gelu"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"approximate": ("none", "tanh")}
    cost: ClassVar[int] = 8

    approximate: str = "none"

    def __post_init__(self) -> None:
        """A known approximation."""
        require_word(self.approximate, self.WORDS["approximate"], "approximate")

    def function(self, x: Array) -> Array:
        """X by the share, exactly or approximately."""
        if self.approximate == "tanh":
            return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
        return x * (1 + _erf(x / math.sqrt(2)).astype(x.dtype)) / 2

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Both forms."""
        return cls.float_cases(cls(), cls("tanh"))


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)
