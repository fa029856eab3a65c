"""THE ORDER of the passes. A new pass is one file, one function of its name, one line here, one page of examples."""

from functools import partial

from striate.passes.fold_average_into_weights import fold_average_into_weights
from striate.passes.fold_batch_norm import fold_batch_norm
from striate.passes.fold_channel_arithmetic import fold_channel_arithmetic
from striate.passes.fold_constants import fold_constants
from striate.passes.fold_padding import fold_padding
from striate.passes.hoist_pointwise_over_pool import hoist_pointwise_over_pool
from striate.passes.manager import Observe, Pass, PassReport, run_to_fixed_point
from striate.passes.merge_clips import merge_clips
from striate.passes.merge_common_subexpressions import merge_common_subexpressions
from striate.passes.merge_movement import merge_movement
from striate.passes.pool_for_mean import pool_for_mean
from striate.passes.quantize import QuantizeReport, quantize
from striate.passes.quantize_time import QuantizeTimeReport, quantize_time
from striate.passes.remove_dead_nodes import remove_dead_nodes
from striate.passes.remove_identities import remove_identities

PASSES: tuple[Pass, ...] = (
    remove_dead_nodes,
    fold_constants,
    pool_for_mean,
    remove_identities,
    merge_common_subexpressions,
    merge_movement,
    merge_clips,
    fold_padding,
    fold_batch_norm,
    fold_channel_arithmetic,
    hoist_pointwise_over_pool,
)

TIME_PASSES: tuple[Pass, ...] = (fold_average_into_weights,)
"""What `quantize_time` runs first, for networks with time that become integers."""

run_passes = partial(run_to_fixed_point, PASSES)
"""run_passes(graph, *, observe=None): every pass, in place, until nothing changes; a report for each (manager.py)."""

__all__ = [
    "PASSES",
    "TIME_PASSES",
    "Observe",
    "Pass",
    "PassReport",
    "QuantizeReport",
    "QuantizeTimeReport",
    "quantize",
    "quantize_time",
    "run_passes",
]
