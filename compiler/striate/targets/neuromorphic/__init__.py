"""The neuromorphic target: a graph as populations of neurons on the cores of a chip.

    compile.py    the target: its options, and the way from a graph to a program; lower.py: encode, cut, place, write
    not_yet.py    what the codings refuse; refuse.py: chips that nothing is compiled for; health.py: how well rates do

    codings/      graded.py, rate.py: graph -> populations and projections, exact or as rates (balance.py)
                  delta.py: exact, for streams: only changes are sent
                  native.py: exact, for networks with time: their own neurons (native_*.py), as many steps later as the
                  network is deep (retime.py)
                  crossbar_rate.py: rates in weights of few levels (few_levels.py), whose outputs fire
                  event_rate.py, event_native.py: on a chip without steps, event by event (sum_pools.py)
                  encoding.py, synapses.py, sums.py, planes.py: what all fill in: who sends which number, and where to
                  walk.py: from node to node; feeding.py: what the host does to a quantized port
    mapping/      relay.py: a fan-in that exceeds a core, over several (relay_time.py: and when)
                  demand.py: what fits on a core (packing.py, configurations.py); partition.py: how populations are cut
                  nearest.py: the nearest shape that would fit
                  crossbar.py: weights as sums of strengths (strengths.py); crossbar_demand.py: axons, copies and bits
                  one_layer.py: where a core holds one layer
                  activity.py, route.py: who talks to whom, and how much
                  place.py, pins.py: where it stands, and what the user says of that; bound.py: how near it could be

spec/mapping.md says what each step promises.
"""

from striate.targets.neuromorphic.compile import TARGET, compile_for_neuromorphic

__all__ = ["TARGET", "compile_for_neuromorphic"]
