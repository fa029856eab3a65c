"""Random networks on TrueNorth's cores, here and in SANA-FE, whose TrueNorth neurons are another reading of the papers.

python tests/validation/compare_truenorth.py --python PYTHON, which is the interpreter of an environment with SANA-FE
(`pip install sanafe`; GPL-3: it is run, not shipped). Writes benchmarks/results/truenorth.json, from which
write_page.py makes a section of spec/validation.md.

Networks are compiled and expanded to cores (tests/targets/truenorth_cores.py: bits, types, strengths, copies, where
each neuron sends), and these are given to SANA-FE, synapse by synapse. It has no delays: events take one tick, as
those of layers in a row do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from striate_runtime import open_device
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.program import Program
from striate_runtime.trace import SPIKES

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "targets"))

import truenorth_cores  # noqa: E402
from crossbar_networks import body_of, given_spikes, native, on_truenorth  # noqa: E402
from truenorth_cores import HOST, Chip  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "truenorth.json"
PEER = Path(__file__).parent / "truenorth_peer.py"
NETWORKS = 20


def drawn(seed: int) -> tuple[Program, dict[str, Any]]:
    """Layers in a row, of images or not, with weights of 4 bits or trinary, both resets, and no biases."""
    rng = np.random.default_rng(seed)
    levels = tuple(range(-8, 8)) if rng.random() < 0.5 else (-1, 0, 0, 1)
    images = rng.random() < 0.6
    lines = ["s0 = x"]
    for index in range(1, int(rng.integers(3, 5))):
        size, reset = int(rng.integers(3, 9)), rng.choice(["zero", "subtract"])
        layer = f"conv2d({size}, {rng.integers(1, 4)}, bias=false)" if images else f"linear({3 * size}, bias=false)"
        threshold = rng.integers(2, 9) / 2
        lines.append(f"s{index} = s{index - 1} |> {layer} |> integrate_and_fire({threshold}, reset={reset})")
    shape = "f32[2, 7, 7]" if images else "f32[20]"
    compilation, spikes = native("\n ".join(lines), shape, levels, seed, f"s{len(lines) - 1}")
    return on_truenorth(compilation), spikes


def described(program: Program, chip: Chip, inputs: dict[str, Any]) -> dict[str, Any]:
    """The chip as truenorth_peer.py reads it. An input's event with a delay is given so much later, less one."""
    sent = given_spikes(program, inputs)
    cores: list[dict[str, Any]] = []
    for core in chip.cores:
        slots = [
            {
                "strengths": slot.strengths,
                "threshold": slot.threshold,
                "leak": slot.leak,
                "subtracts": slot.subtracts,
                "to": None if slot.to in (None, HOST) else slot.to,
            }
            for slot in core.slots
        ]
        assert all(slot.delay == 1 or slot.to in (None, HOST) for slot in core.slots), "events take one tick"
        cores.append({"types": core.types, "rows": core.rows, "slots": slots})
    injected = [
        {"to": (core, axon), "sent": [tick + delay - 1 for tick in sent.get(key, ())]}
        for key, ends in chip.injected.items()
        for core, axon, delay in ends
    ]
    return {"ticks": body_of(program).steps, "cores": cores, "inputs": injected}


def ours(program: Program, inputs: dict[str, Any]) -> dict[tuple[str, int], list[int]]:
    """The ticks in which each neuron fires on the emulated chip, while the input lasts."""
    device = open_device(program)
    assert isinstance(device, EmulatedChip)
    trace = device.trace({name: array[:1] for name, array in inputs.items()})
    found: dict[tuple[str, int], list[int]] = {}
    for population in body_of(program).populations:
        if population.on_cores:
            spikes = trace[population.name + SPIKES][0].transpose(0, 2, 3, 1)
            for step, n in np.argwhere(spikes.reshape(len(spikes), -1)):
                found.setdefault((population.name, int(n)), []).append(int(step) + population.fires_at)
    return found


def compare(python: str) -> dict[str, Any]:
    """How many neurons and spikes there were, and how many differ."""
    made = [drawn(seed) for seed in range(NETWORKS)]
    chips = [truenorth_cores.build(program) for program, _ in made]
    given = [described(program, chip, inputs) for (program, inputs), chip in zip(made, chips, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chips.json"
        file.write_text(json.dumps(given, default=int), "utf-8")
        done = subprocess.run([python, str(PEER), str(file)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"SANA-FE failed:\n{done.stderr}")
    theirs = json.loads(done.stdout.splitlines()[-1])
    result = {"sanafe": theirs["sanafe"], "networks": NETWORKS, "cores": 0, "neurons": 0, "spikes": 0, "differ": 0}
    for (program, inputs), chip, steps in zip(made, chips, theirs["spikes"], strict=True):
        expected, last = ours(program, inputs), next(iter(inputs.values())).shape[1]
        wakes = {slot.of: slot.wakes for core in chip.cores for slot in core.slots}
        found: dict[tuple[int, int], list[int]] = {}
        for tick, fired in enumerate(steps):
            for core, slot in fired:
                found.setdefault((core, slot), []).append(tick)
        result["cores"] += len(chip.cores)
        for number, core in enumerate(chip.cores):
            for at, slot in enumerate(core.slots):
                there = [tick for tick in found.get((number, at), []) if tick < wakes[slot.of] + last]
                here = expected.get(slot.of, [])
                result["neurons"] += 1
                result["spikes"] += len(here)
                result["differ"] += len(set(there) ^ set(here))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="an interpreter with SANA-FE")
    result = compare(parser.parse_args().python)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(f"{result}\nwrote {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
