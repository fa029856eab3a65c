"""The emulated chip: one program, what it computes, what is counted, and what that costs.

    device      chip.py                    opens a program, runs samples (threads.py), traces them (tracing.py)
                check.py, native.py        what a damaged program is refused for; sums.py: sums that 32 bits do not hold
                reading.py                 what the host reads, after which steps
    tables      build.py                   from the program's body to the arrays that the kernels walk (tables.py)
                layout.py, synapses.py     where neurons and weights lie
                accounts.py                what each event costs on each core (crossbar.py: on each axon of a crossbar)
                plain.py                   which neurons take the quick way
    function    events.py                  the kernel: steps, arriving events, neurons that fire
                events_delivery.py         events arrive
                events_plain.py            neurons with a loop of their own (and events_changes.py)
                vectors.py, lanes.py       the innermost operations as LLVM vectors (events_blocks.py, vectors_plain.py)
    no steps    event_driven.py            the device of chips that work event by event; event_check.py: what it refuses
                event_tables.py            where each event goes; events_chain.py: the kernel
                event_counts.py            what is counted; event_timing.py: how long a sample takes
    counting    counts.py                  what is counted; events_accounting.py: the kernel's part
    time        timing.py, barrier.py      the level `simple`; levels.py: the others, message by message (messages.py)
                events_queues.py           the level `detailed`
                events_mesh.py             the level `events` (mesh_tables.py, events_heap.py)
                links.py, overload.py      the mesh's links, and what is late
    energy      energy.py                  counts x costs, as a stack
    report      report.py                  the profile

What all of it means is in spec/neuromorphic.md.
"""
