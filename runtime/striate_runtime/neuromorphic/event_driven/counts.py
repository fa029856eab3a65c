"""What running event by event counts: pure functions of how many events each neuron sent.

An event that a neuron sends is received by every layer that its own layer sends to, and meets the weights of that
layer's kernel that are not 0. Each is one synaptic operation: a weight is read, a neuron is read and written.
"""

from __future__ import annotations

import numpy as np

from striate_runtime.neuromorphic.check import Network
from striate_runtime.neuromorphic.costs.counts import (
    ACTIVE,
    EVENTS_OUT,
    FORMAT_OF,
    MESSAGES_IN,
    MESSAGES_OUT,
    PAIR_SYNOPS,
    PAIR_WORDS,
    RECEIVED,
    SENT,
    SYNOPS_DENSE,
    WORDS,
    Counts,
    Mapping,
    Totals,
)
from striate_runtime.neuromorphic.event_driven.tables import Placed


def mapping_of(network: Network) -> Mapping:
    """Which core has which layer; a pair for each projection, from core to core, without hops."""
    body = network.body
    core_of = {core.population: index for index, core in enumerate(body.cores)}
    layer_of = {population.name: population.layer for population in body.populations}
    size = {population.name: int(np.prod(population.shape)) for population in body.populations}
    nowhere = np.zeros(len(body.projections), np.int32)
    return Mapping(
        core_layer=tuple(layer_of[core.population] for core in body.cores),
        core_slots=np.array([size[core.population] for core in body.cores], np.int64),
        core_chip=np.array([core.chip for core in body.cores], np.int64),
        tiles=len(body.cores),
        pair_layer=tuple(projection.layer for projection in body.projections),
        pair_source=np.array([core_of.get(projection.source, -1) for projection in body.projections], np.int32),
        pair_target=np.array([core_of[projection.target] for projection in body.projections], np.int32),
        pair_format=np.array([FORMAT_OF[projection.kind] for projection in body.projections], np.int32),
        pair_hops_east_west=nowhere,
        pair_hops_north_south=nowhere,
        pair_crossings=nowhere,
    )


def totals_of(network: Network, mapping: Mapping, placed: Placed, fired: Counts, samples: int) -> Totals:
    """The counts of a run. fired: the events of every neuron, i64, in all samples."""
    totals = Totals.empty(mapping)
    totals.samples = samples
    layers, order = placed.tables.layers, [population.name for population in placed.order]
    sent = {
        name: fired[first : first + number]
        for name, first, number in zip(order, layers.neuron.tolist(), layers.neurons.tolist(), strict=True)
    }
    for index, core in enumerate(network.body.cores):
        p = order.index(core.population)
        biased = np.count_nonzero(placed.tables.bias[layers.neuron[p] : layers.neuron[p] + layers.neurons[p]])
        totals.cores[index, ACTIVE] = int(biased) * network.body.steps * samples
        totals.cores[index, EVENTS_OUT] = sent[core.population].sum()
    for pair, projection in enumerate(network.body.projections):
        events = sent[projection.source]
        operations = int(events @ placed.operations[projection.target])
        source, target = mapping.pair_source[pair], mapping.pair_target[pair]
        totals.pairs[pair, [SENT, RECEIVED]] = events.sum()
        totals.pairs[pair, [PAIR_SYNOPS, PAIR_WORDS]] = operations
        totals.cores[target, MESSAGES_IN] = events.sum()
        totals.cores[target, [SYNOPS_DENSE + mapping.pair_format[pair], WORDS]] = operations
        totals.cores[target, ACTIVE] += operations
        if source >= 0:
            totals.cores[source, MESSAGES_OUT] += events.sum()
    totals.updates[:] = totals.cores[:, ACTIVE]
    return totals
