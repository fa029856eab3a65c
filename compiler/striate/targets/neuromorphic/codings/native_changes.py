"""Neurons that send changes, under the coding `native`: what the integer graph says they hold, a chip adds up.

A value of the integer graph that is held travels as the changes of its senders, and what is linear in it is the sum of
all the changes that have arrived. So a `fixed_point_sigma_delta` is a `sigma_delta` population, a readout adds up what
it hears, and what takes a value anew in every step takes changes (`delta` in the graph) or is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from striate.graph import Graph, Node
from striate.operators.changes import Hold
from striate.operators.sigma_delta import FixedPointSigmaDelta
from striate.targets.neuromorphic.codings.encoding import image_of
from striate.targets.neuromorphic.codings.native_neurons import NativeNeurons
from striate.targets.neuromorphic.codings.sums import Sum, check_changes, largest_sum, rescaled_bound
from striate.targets.neuromorphic.codings.synapses import Rescale
from striate.targets.neuromorphic.codings.walk import Refusal
from striate.targets.neuromorphic.not_yet import ADDED_TWICE, GIVEN_ANEW, MOVEMENTS
from striate.tensor import Array
from striate_runtime.program.neuromorphic import Population


def reserve_sigma_delta(neurons: NativeNeurons, node: Node, operator: FixedPointSigmaDelta) -> None:
    """A place for a node's neurons, and what they may hold."""
    low, high = operator.limits
    neurons.reserve(node, "sigma_delta", low=low, high=high)


def complete_sigma_delta(
    neurons: NativeNeurons, node: Node, operator: FixedPointSigmaDelta, parameters: Mapping[str, Array], total: Sum
) -> None:
    """Fill in a node's neurons, and their synapses. Raises Refusal for what a chip cannot do."""
    if operator.adds == total.held:
        raise Refusal(ADDED_TWICE if total.held else GIVEN_ANEW)
    name = neurons.of[node.name]
    check_changes(neurons.chip, *operator.limits)
    registers = dict(parameters)
    if total.bias is not None:
        if operator.adds:
            raise Refusal("its sum has a bias, which would come anew in every step", "give the bias to the sigma_delta")
        registers["bias"] = registers["bias"] + total.bias
    if operator.threshold > 1:
        registers["threshold"] = np.full(node.type.shape[0], operator.threshold)
    neurons.store(name, registers, {})
    neurons.link(total, name)


def relay_changes(neurons: NativeNeurons, total: Sum, name: str, layer: str, rescale: Rescale | None = None) -> str:
    """Neurons that hold a sum of what is held, rescaled, and pass on every change of it. Raises Refusal."""
    encoding = neurons.encoding
    reached = rescaled_bound(largest_sum(encoding, total), rescale)
    below_0 = any(encoding.populations[each.source].low < 0 for each in total.synapses)
    low, high = -reached if below_0 else 0, reached
    check_changes(neurons.chip, low, high)
    made, image = encoding.fresh(name), image_of(total.shape)
    encoding.add(Population(made, layer, image, "sigma_delta", low=low, high=high))
    if rescale is not None:
        parts = {"multiplier": rescale.multiplier, "shift": rescale.shift}
        neurons.store(made, {role: np.broadcast_to(array, image[0]) for role, array in parts.items()}, {})
    neurons.link(total, made)
    return made


def threshold_of(graph: Graph, port: str) -> int | None:
    """The least change that an input's neurons send, where every reader of its integers is a `hold` of one threshold.

    None where no `hold` reads them. Raises Refusal where others do as well: the input is one population.
    """
    pending, seen, found = [port], set[str](), set[int | None]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if graph.is_output(name):
            found.add(None)
        for user in graph.users(name):
            if isinstance(user.operator, Hold):
                found.add(max(1, user.operator.threshold))
            elif user.operator.breaks_cycles or user.operator.name in ("quantize", *MOVEMENTS):
                pending.append(user.name)
            else:
                found.add(None)
    if len(found) > 1 and found != {None}:
        others = "read as they are" if None in found else "read at another threshold"
        raise Refusal(
            f"its numbers are sent as changes, and are {others} as well: an input is one set of neurons",
            "give the network the same data at a second input",
        )
    return found.pop() if found else None
