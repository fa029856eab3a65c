"""The neuromorphic target: a graph as populations of neurons on the cores of a chip.

    encode      graded.py, rate.py       graph -> populations and projections, exact or as rates (balance.py)
                delta.py                 exact, for streams: only changes are sent
                native.py                exact, for networks with time: their own neurons (native_neurons.py,
                                         native_values.py), as many steps later as the network is deep (retime.py)
                event_rate.py            rate on a chip without steps, event by event; event_native.py: native there
                encoding.py, synapses.py what all fill in: who sends which number, and where it goes
                feeding.py               what the host does to a quantized port
    split       relay.py                 fan-ins that exceed a core, over several
    crossbars   crossbar.py              weights as sums of strengths (strengths.py), and neurons that are not theirs
                crossbar_rate.py         rates in weights of few levels (few_levels.py), whose outputs fire
                crossbar_demand.py       axons, copies and bits of a core
    partition   demand.py, partition.py  what fits on a core (packing.py, configurations.py), how populations are cut
                nearest.py               the nearest shape that would fit
    place       activity.py, route.py    who talks to whom, and how much
                place.py, pins.py        where it stands, and what the user says of that; bound.py: how near it could be
    one layer   one_layer.py             instead, where a core holds one layer (sum_pools.py: with the pool before it)
    write       lower.py                 the program

not_yet.py lists what the codings refuse, refuse.py the chips that nothing is compiled for, and why.
spec/mapping.md says what each step promises.
"""

from striate.targets.neuromorphic.compile import TARGET, compile_for_neuromorphic

__all__ = ["TARGET", "compile_for_neuromorphic"]
