"""The neuromorphic target: a graph as populations of neurons on the cores of a chip.

    encode      graded.py, rate.py       graph -> populations and projections, exact or as rates (balance.py)
                delta.py                 exact, for streams: only changes are sent
                native.py                exact, for networks with time: their own neurons (native_neurons.py,
                                         native_values.py), as many steps later as the network is deep (retime.py)
                encoding.py, synapses.py what both fill in: who sends which number, and where it goes
    partition   demand.py, partition.py  what fits on a core, and how populations are cut
    place       route.py, place.py       who talks to whom, and where on the mesh it stands
    write       lower.py                 the program

not_yet.py lists what the codings refuse, refuse.py the chips that nothing is compiled for, and why.
spec/mapping.md says what each step promises.
"""

from striate.targets.neuromorphic.compile import TARGET, compile_for_neuromorphic

__all__ = ["TARGET", "compile_for_neuromorphic"]
