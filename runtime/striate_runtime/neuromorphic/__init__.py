"""The emulated chip: one program, what it computes, what is counted, and what that costs.

    chip.py          the device: opens a program, runs samples (threads.py), traces them (tracing.py)
    check.py         what a damaged program is refused for; native.py: by Loihi's registers; sums.py: by 32 bits
    given.py         what the host gives; reading.py: what it reads, after which steps
    report.py        the profile

    tables/          build.py: from the program's body to the arrays that the kernels walk (arrays.py)
                     layout.py, synapses.py: where neurons and weights lie
                     accounts.py: what each event costs on each core (crossbar.py: on each axon of a crossbar)
                     plain.py: which neurons take the quick way
    kernels/         steps.py: a sample, step by step: events arrive (delivery.py), neurons fire
                     plain.py, changes.py: neurons with a loop of their own; accounting.py: what all of it counts
                     vectors.py, vectors_plain.py, lanes.py: the innermost operations as LLVM vectors (blocks.py)
                     chain.py: chips without steps; queues.py, mesh.py, heap.py: messages one by one
    event_driven/    device.py: chips without steps; check.py: what it refuses; tables.py: where each event goes
                     counts.py: what is counted; timing.py: how long a sample takes
    costs/           counts.py: what is counted; energy.py: counts x costs, as a stack
                     timing.py, barrier.py: the level `simple`; levels.py: the others, message by message (messages.py)
                     links.py, mesh_tables.py: the mesh's links; overload.py: what is late

What all of it means is in spec/neuromorphic.md.
"""
