"""What must hold for every operator of the table, over all of its cases."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from striate.operators import OPERATORS
from striate.operators.document import document
from striate.operators.schema import Case, Operator
from striate.tensor import NUMPY, Array

SPEC = Path(__file__).parents[2] / "spec" / "operators.md"

CASES = [case for operator in OPERATORS.values() for case in operator.cases()]
FLOAT_CASES = [
    case
    for case in CASES
    if case.inputs and all(type.is_float for type in (*case.inputs, case.operator.result(*case.inputs)))
]
NOT_PLAIN = ("requantize", "dequantize", "lookup")
"""Operators made for integers, which test_operators_integers checks; all others are the same arithmetic in doubles."""
INTEGER_CASES = [
    case for case in CASES if case.operator.name not in NOT_PLAIN and case.inputs and not case.inputs[0].is_float
]
ON_ONE_SAMPLE = [case for case in CASES if case.inputs]


def titled(case: Case) -> str:
    return f"{case.operator.name} {case.note}".replace(" ", "-")


def in_double(arrays: list[Array]) -> list[Array]:
    return [array.astype(np.float64) for array in arrays]


def apply(case: Case, *, double: bool = False, seed: int = 0) -> Array:
    operands, parameters = case.arrays(seed)
    if double:
        operands = in_double(operands)
        parameters = dict(zip(parameters, in_double(list(parameters.values())), strict=True))
    return case.operator.reference(*operands, **parameters)


@pytest.mark.parametrize("case", CASES, ids=titled)
def test_the_reference_has_the_type_that_the_rules_state(case: Case) -> None:
    y, type = apply(case), case.operator.result(*case.inputs)
    assert (y.shape, y.dtype) == ((case.batch, *type.shape), NUMPY[type.dtype])


@pytest.mark.parametrize("case", FLOAT_CASES, ids=titled)
def test_single_and_half_precision_stay_close_to_double(case: Case) -> None:
    y, truth = apply(case).astype(np.float64), apply(case, double=True)
    tolerance = 1e-5 if case.inputs[0].dtype == "f32" else 2e-3
    assert np.abs(y - truth).max() <= tolerance * max(1.0, np.abs(truth).max())


@pytest.mark.parametrize("case", FLOAT_CASES, ids=titled)
def test_double_operands_are_not_narrowed(case: Case) -> None:
    assert apply(case, double=True).dtype == np.float64


@pytest.mark.parametrize("case", INTEGER_CASES, ids=titled)
def test_integers_equal_arithmetic_in_doubles(case: Case) -> None:
    assert (apply(case) == apply(case, double=True)).all()


@pytest.mark.parametrize("case", ON_ONE_SAMPLE, ids=titled)
def test_a_sample_does_not_depend_on_its_neighbours_in_the_batch(case: Case) -> None:
    operands, parameters = case.arrays(1)
    together = case.operator.reference(*operands, **parameters)
    for index in range(case.batch):
        alone = case.operator.reference(*(x[index : index + 1] for x in operands), **parameters)
        if together.dtype.kind == "f":
            np.testing.assert_allclose(alone[0], together[index], rtol=2e-3 if alone.itemsize == 2 else 1e-4, atol=1e-5)
        else:
            assert (alone[0] == together[index]).all()


@pytest.mark.parametrize("case", CASES, ids=titled)
def test_the_reference_leaves_its_operands_alone(case: Case) -> None:
    operands, parameters = case.arrays()
    copies = [x.copy() for x in operands]
    case.operator.reference(*operands, **parameters)
    assert all((x == copy).all() for x, copy in zip(operands, copies, strict=True))


@pytest.mark.parametrize("case", CASES, ids=titled)
def test_traffic_is_every_operand_and_parameter_once_and_the_result_once(case: Case) -> None:
    operands, parameters = case.arrays()
    work = case.operator.work(*case.inputs)
    assert work.bytes_read == sum(x[0].nbytes for x in operands) + sum(p.nbytes for p in parameters.values())
    assert work.bytes_written == apply(case)[0].nbytes


@pytest.mark.parametrize("case", CASES, ids=titled)
def test_sampled_parameters_have_the_declared_roles_and_types(case: Case) -> None:
    _, parameters = case.arrays()
    declared = case.operator.parameters(*case.inputs)
    assert {role: (p.shape, p.dtype) for role, p in parameters.items()} == {
        role: (type.shape, NUMPY[type.dtype]) for role, type in declared.items()
    }


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_cases_vary_every_attribute(operator: type[Operator]) -> None:
    for field in dataclasses.fields(operator):
        values = {getattr(case.operator, field.name) for case in operator.cases()} | {field.default}
        assert len(values) > 1, f"no case of {operator.name} sets {field.name}"


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_cases_use_every_legal_word(operator: type[Operator]) -> None:
    for attribute, words in operator.WORDS.items():
        used = {getattr(case.operator, attribute) for case in operator.cases()}
        assert set(words) <= used, f"no case of {operator.name} has {attribute} = {set(words) - used}"


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_an_operator_is_called_like_its_class(operator: type[Operator]) -> None:
    words = re.findall(r"[A-Z][a-z]*\d*d?", operator.__name__)
    assert "_".join(words).lower() == operator.name


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_equal_attributes_make_equal_operators(operator: type[Operator]) -> None:
    first, again = (case[0].operator for case in (operator.cases(), operator.cases()))
    assert first == again
    assert hash(first) == hash(again)


def test_the_operators_page_is_up_to_date() -> None:
    assert SPEC.read_text() == document(), "run python -m striate.operators.document > spec/operators.md"
