"""The operations of vectors.py and vectors_plain.py as functions that the event kernels can call."""

# pyright: basic
# numba compiles these functions from the types of the arrays in tables/arrays.py, which its decorators cannot express.

from __future__ import annotations

from numba import types
from numba.extending import intrinsic

from striate_runtime.neuromorphic.kernels import vectors, vectors_plain


def _emitted_by(emitter):
    """The code generator of an intrinsic: arrays as pointers to their data, scalars as they are."""

    def generate(context, builder, signature, arguments):
        operands = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        result = emitter(builder, *operands)
        return context.get_dummy_value() if result is None else result

    return generate


@intrinsic
def add_block(typing, accumulator, at, weights, first, payload):
    """As `vectors_plain.add_blocks`."""
    return types.void(accumulator, at, weights, first, payload), _emitted_by(vectors_plain.add_blocks)


@intrinsic
def add_unit_block(typing, accumulator, at, weights, first):
    """As `vectors_plain.add_unit_blocks`."""
    return types.void(accumulator, at, weights, first), _emitted_by(vectors_plain.add_unit_blocks)


@intrinsic
def add_two_blocks(typing, accumulator, at, weights, first, second, x, y):
    """As `vectors_plain.add_blocks`."""
    return types.void(accumulator, at, weights, first, second, x, y), _emitted_by(vectors_plain.add_blocks)


@intrinsic
def add_two_unit_blocks(typing, accumulator, at, weights, first, second):
    """As `vectors_plain.add_unit_blocks`."""
    return types.void(accumulator, at, weights, first, second), _emitted_by(vectors_plain.add_unit_blocks)


@intrinsic
def add_four_blocks(typing, accumulator, at, weights, first, second, third, fourth, x, y, z, w):
    """As `vectors_plain.add_blocks`."""
    return types.void(accumulator, at, weights, first, second, third, fourth, x, y, z, w), _emitted_by(
        vectors_plain.add_blocks
    )


@intrinsic
def add_four_unit_blocks(typing, accumulator, at, weights, first, second, third, fourth):
    """As `vectors_plain.add_unit_blocks`."""
    return types.void(accumulator, at, weights, first, second, third, fourth), _emitted_by(
        vectors_plain.add_unit_blocks
    )


@intrinsic
def take_block(typing, given, at, potential, neuron, number):
    """As `vectors.take_block`."""
    return types.int64(given, at, potential, neuron, number), _emitted_by(vectors.take_block)


@intrinsic
def integrate_block(typing, given, at, potential, neuron, bias, threshold, parameter, limit, clear, number):
    """As `vectors.integrate_block`."""
    operands = (given, at, potential, neuron, bias, threshold, parameter, limit, clear, number)
    return types.int64(*operands), _emitted_by(vectors.integrate_block)


@intrinsic
def requantize_block(
    typing, accumulator, at, potential, neuron, bias, multiplier, shift, parameter, low, high, limit, number
):
    """As `vectors.requantize_block`."""
    operands = (accumulator, at, potential, neuron, bias, multiplier, shift, parameter, low, high, limit, number)
    return types.int64(*operands), _emitted_by(vectors.requantize_block)


@intrinsic
def leak_block(
    typing,
    accumulator,
    at,
    potential,
    current,
    spike_count,
    neuron,
    bias,
    threshold,
    current_kept,
    voltage_kept,
    parameter,
    sum_spare,
    subtracts,
    number,
):
    """As `vectors.leak_block`."""
    state = (accumulator, at, potential, current, spike_count, neuron)
    operands = (*state, bias, threshold, current_kept, voltage_kept, parameter, sum_spare, subtracts, number)
    return types.int64(*operands), _emitted_by(vectors.leak_block)


@intrinsic
def plain_block(typing, sums, at, before, potential, neuron, bias, threshold, parameter, number):
    """As `vectors_plain.plain_block`."""
    operands = (sums, at, before, potential, neuron, bias, threshold, parameter, number)
    return types.int64(*operands), _emitted_by(vectors_plain.plain_block)


@intrinsic
def whole_plain_block(typing, sums, at, before, potential, neuron, bias, threshold, parameter):
    """As `vectors_plain.plain_block`, where all lanes are neurons."""
    operands = (sums, at, before, potential, neuron, bias, threshold, parameter)
    return types.int64(*operands), _emitted_by(vectors_plain.plain_block)


@intrinsic
def busy_block(typing, sums, at, potential, neuron, bias, parameter, number):
    """As `vectors_plain.busy_block`."""
    operands = (sums, at, potential, neuron, bias, parameter, number)
    return types.int64(*operands), _emitted_by(vectors_plain.busy_block)


@intrinsic
def nothing_new(typing, sums, at, before):
    """As `vectors_plain.nothing_new`."""
    return types.boolean(sums, at, before), _emitted_by(vectors_plain.nothing_new)


@intrinsic
def rest_block(
    typing,
    accumulator,
    at,
    potential,
    current,
    spike_count,
    neuron,
    bias,
    threshold,
    current_kept,
    voltage_kept,
    parameter,
    sum_spare,
    subtracts,
    number,
    resting,
    refractory,
):
    """As `vectors.rest_block`."""
    state = (accumulator, at, potential, current, spike_count, neuron)
    operands = (*state, bias, threshold, current_kept, voltage_kept, parameter, sum_spare, subtracts, number)
    rest = (resting, refractory)
    return types.int64(*operands, *rest), _emitted_by(vectors.rest_block)


@intrinsic
def far_nothing_new(typing, sums, at, before):
    """As `vectors_plain.far_nothing_new`."""
    return types.boolean(sums, at, before), _emitted_by(vectors_plain.far_nothing_new)


@intrinsic
def change_block(
    typing,
    accumulator,
    at,
    total,
    sent,
    neuron,
    bias,
    multiplier,
    shift,
    threshold,
    parameter,
    low,
    high,
    limit,
    number,
):
    """As `vectors.change_block`."""
    state = (accumulator, at, total, sent, neuron)
    operands = (*state, bias, multiplier, shift, threshold, parameter, low, high, limit, number)
    return types.int64(*operands), _emitted_by(vectors.change_block)


@intrinsic
def trailing_zeros(typing, mask):
    """The position of the lowest bit that is set."""
    return types.int64(mask), _emitted_by(vectors.count_trailing_zeros)


@intrinsic
def ones(typing, mask):
    """How many bits are set."""
    return types.int64(mask), _emitted_by(vectors.count_ones)
