"""The populations of the coding `native` while they are made: what their registers hold, and what leads to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Node
from striate.operators.fixed_point import STATE_BITS, SUM_SHIFT, WHOLE, FixedPointLif
from striate.targets.neuromorphic.codings.encoding import Encoding, Image, image_of
from striate.targets.neuromorphic.codings.retime import Edge, chip_delay
from striate.targets.neuromorphic.codings.sums import Sum
from striate.targets.neuromorphic.codings.synapses import Synapses, connect
from striate.targets.neuromorphic.codings.walk import Refusal
from striate.tensor import Array
from striate_runtime.hardware import Chip
from striate_runtime.program.neuromorphic import Population

FORGETS = WHOLE - 1
"""The register of a current that nothing of is kept: it holds the part lost, minus 1."""
LARGEST_BIAS = (1 << 19) - 1
"""13 bits with the sign, shifted up by 7 at most; a bias counts 64 of it, as a sum does."""
LARGEST_WEIGHT = 127
_RELAY = {"current_decay": FORGETS, "voltage_decay": 0, "threshold": 1}
"""A neuron that fires in each step in which a spike arrives with a weight of 2."""


@dataclass(frozen=True)
class Link:
    """Synapses that wait for the delay that retiming gives them."""

    synapses: Synapses
    target: str

    def edge(self, hop: int) -> Edge:
        """As retiming sees it, on a chip on which an event takes `hop` steps at least."""
        return Edge(self.synapses.source, self.target, self.synapses.delay, hop)


class NativeNeurons:
    """Makes populations. `of` gives that of each node with neurons, `links` what leads where."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.encoding = Encoding()
        self.of: dict[str, str] = {}
        self.links: list[Link] = []

    @property
    def edges(self) -> tuple[Edge, ...]:
        """What retiming must keep a step apart."""
        return tuple(link.edge(self.chip.time.event_steps) for link in self.links)

    def check_chip(self) -> None:
        """Raise CompileError[cannot-lower] where a chip's neurons are narrower than those of the integer graph."""
        numerics = self.chip.numerics
        needed = {
            "membrane_bits": STATE_BITS, "weight_bits": 8, "threshold_bits": 17, "decay_bits": 12, "bias_bits": 13,
        }  # fmt: skip
        if self.chip.crossbar is not None:  # crossbar.py says what its neurons hold
            return
        for name, bits in needed.items():
            figure = getattr(numerics, name)
            has = None if figure is None else figure.value
            narrow = has is not None and (has != bits if name == "membrane_bits" else has < bits)
            if narrow:
                what = f"the neurons of {self.chip.title} have {name.replace('_', ' of ')}: {has}"
                message = f"{what}; those of networks with time take {bits}"
                raise CompileError(Diagnostic("cannot-lower", message))

    def add_input(self, port: str, image: Image, low: int, high: int, threshold: int | None = None) -> str:
        """What the host injects a port into: numbers, or with a `threshold` changes that are as large."""
        name = self.encoding.fresh(port)
        changes = threshold is not None
        self.encoding.add(Population(name, port, image, "input", low=low, high=high, changes=changes))
        if threshold is not None and threshold > 1:
            self.store(name, {"threshold": np.full(image[0], threshold)}, {})
        return name

    def reserve(self, node: Node, kind: Literal["cuba_lif", "sigma_delta"] = "cuba_lif", **fields: int) -> None:
        """A place for a node's neurons, whose synapses come later: anything may refer to what they send."""
        name = self.encoding.fresh(node.name)
        record = {"name": name, "layer": node.name, "shape": image_of(node.type.shape), "kind": kind, **fields}
        self.encoding.add(msgspec.convert(record, Population))
        self.of[node.name] = name

    def complete(self, node: Node, operator: FixedPointLif | None, parameters: Mapping[str, Array], total: Sum) -> None:
        """Fill in the registers of a node's neurons, and their synapses. Raises Refusal for what does not fit."""
        name = self.of[node.name]
        current, voltage = parameters["current_decay"], parameters["voltage_decay"]
        at_once = bool((current == WHOLE).all() and (voltage == WHOLE).all())
        if (current == 0).any():
            raise Refusal(
                "a current that loses nothing in a step has no register: it holds the part lost of 4096, minus 1",
                "give tau_current, or a decay_current of 1/4096 or more",
            )
        if (voltage == WHOLE).any() and not at_once:
            message = "a potential that is forgotten at once has no register where the current is kept"
            raise Refusal(message, "give a decay_voltage of 4095/4096 or less")
        registers = {"current_decay": current - 1, "voltage_decay": np.where(voltage == WHOLE, 0, voltage)}
        fields: dict[str, object] = {"reset_interval": 1} if at_once else {}
        if operator is None:
            fields["fires"] = False
        else:
            self._check_rest(operator.refractory)
            registers["threshold"] = parameters["threshold"]
            fields |= {"reset": operator.reset, "refractory": operator.refractory}
            if operator.initial:
                registers["initial"] = np.full(len(current), operator.initial)
        if total.bias is not None and (current == WHOLE).all():
            registers["bias"] = self._bias(total.bias, len(current))
        elif total.bias is not None:
            self.drive(name, total.bias)
        self.store(name, registers, fields)
        self.link(total, name)

    def relay(self, total: Sum, name: str, layer: str) -> str:
        """Neurons that fire in each step in which any spike arrives; the sum's weights are all 1."""
        doubled = tuple(replace(each, weights=_doubled(each, self.encoding)) for each in total.synapses)
        made = self.encoding.fresh(name)
        image = image_of(total.shape)
        self._check_spikes(doubled)
        self.encoding.add(Population(made, layer, image, "cuba_lif"))
        self.store(made, {role: np.full(image[0], value) for role, value in _RELAY.items()}, {})
        self.links += [Link(each, made) for each in doubled]
        return made

    def watch(self, total: Sum, name: str) -> str:
        """Neurons whose current is a sum in each step, and that never fire."""
        made, image = self.encoding.fresh(name), image_of(total.shape)
        self.encoding.add(Population(made, name, image, "cuba_lif"))
        registers = {"current_decay": np.full(image[0], FORGETS), "voltage_decay": np.zeros(image[0])}
        if total.bias is not None:
            self.drive(made, total.bias)
        self.store(made, registers, {"fires": False, "reset_interval": 1})
        self.link(total, made)
        return made

    def accumulate(self, total: Sum, name: str, steps: int = 1) -> str:
        """Neurons that add up a sum over `steps` steps, and its bias as often: of what is held once."""
        made, image = self.encoding.fresh(name), image_of(total.shape)
        self.encoding.add(Population(made, name, image, "readout"))
        if total.bias is not None:
            bias = total.bias.astype(np.int64) * steps
            if np.abs(bias).max() >= 1 << (STATE_BITS - 1):
                raise Refusal(f"{steps} times its bias is {int(np.abs(bias).max()):,}, more than 24 bits hold")
            self.store(made, {"bias": np.broadcast_to(bias, image[0])}, {})
        self.link(total, made)
        return made

    def mark(self, population: str, output: str, scale: Array | None) -> None:
        """Let the host read a population, times a scale. Raises Refusal where it is read at another one already."""
        known = self.encoding.populations[population]
        if known.output is not None:
            before = None if known.scale is None else self.encoding.arrays[known.scale]
            if not np.array_equal(before, scale):  # type: ignore[arg-type]
                raise Refusal(f"its neurons are read by the output '{known.output}' already, at another scale")
            return
        self.encoding.revise(population, output=output)
        if scale is not None:
            self.encoding.revise(population, scale=self.encoding.store(f"{population}.scale", scale))

    def are_spikes(self, neurons: Array) -> bool:
        """Whether every sender sends 0 or 1."""
        return all(self.encoding.populations[name].kind == "cuba_lif" for name in self.encoding.senders(neurons))

    def write(self, offsets: Mapping[str, int]) -> None:
        """Let each population start as retiming says, and connect all."""
        for name, offset in offsets.items():
            if self.encoding.populations[name].kind != "input":
                self.encoding.revise(name, fires_at=offset)
        inputs_first = sorted(self.encoding.populations.values(), key=lambda p: (p.kind != "input", offsets[p.name]))
        self.encoding.populations = {population.name: population for population in inputs_first}
        for link in self.links:
            delay = chip_delay(link.edge(self.chip.time.event_steps), offsets)
            connect(self.encoding, link.synapses, self.encoding.populations[link.target], delay)

    # -- registers

    def store(self, name: str, registers: Mapping[str, Array], fields: Mapping[str, object]) -> None:
        """Fill in registers, i32 `[C]` each, and other fields of a population."""
        stored = {
            role: self.encoding.store(f"{name}.{role}", array.astype(np.int32)) for role, array in registers.items()
        }
        self.encoding.revise(name, **stored, **fields)

    def _bias(self, bias: Array, channels: int) -> Array:
        shifted = np.broadcast_to(bias.astype(np.int64) << SUM_SHIFT, channels)
        if np.abs(shifted).max() > LARGEST_BIAS:
            largest = int(np.abs(bias).max())
            raise Refusal(f"its largest bias is {largest:,} units, and a register holds {LARGEST_BIAS >> SUM_SHIFT:,}")
        return shifted

    def drive(self, name: str, bias: Array) -> None:
        """A bias where the current is kept: it comes as events of a clock, in which neurons fire in every step."""
        image = self.encoding.populations[name].shape
        by_channel = np.broadcast_to(bias.astype(np.int64), image[0])
        ticks = -(-int(np.abs(by_channel).max(initial=0)) // LARGEST_WEIGHT)
        if ticks == 0:
            return
        clock = self.encoding.fresh(f"{name}.bias")
        self.encoding.add(Population(clock, self.encoding.populations[name].layer, (ticks, 1, 1), "cuba_lif"))
        fires = {**_RELAY, "bias": 2 << SUM_SHIFT}
        self.store(clock, {role: np.full(ticks, value) for role, value in fires.items()}, {})
        shares = np.diff(np.rint(np.outer(np.arange(ticks + 1) / ticks, by_channel)), axis=0)
        weights = np.tile(shares.astype(np.int32), (1, image[1] * image[2]))
        self.links.append(Link(Synapses(clock, "dense", weights), name))

    def link(self, total: Sum, name: str) -> None:
        """Lead a sum's synapses to a population. Raises Refusal for weights of more than 8 bits."""
        for each in total.synapses:
            weights = each.weights
            if weights is not None and weights.size and np.abs(weights).max() > LARGEST_WEIGHT + 1:
                raise Refusal(f"its largest weight is {int(np.abs(weights).max()):,}, and 8 bits hold {LARGEST_WEIGHT}")
        self.links += [Link(each, name) for each in total.synapses]

    def _check_rest(self, refractory: int) -> None:
        most = self.chip.numerics.refractory_steps.value if self.chip.numerics.refractory_steps else None
        if most is not None and refractory > most:
            raise Refusal(f"its neurons rest for {refractory} steps, and those of {self.chip.title} for {most} at most")

    def _check_spikes(self, synapses: tuple[Synapses, ...]) -> None:
        for each in synapses:
            if self.encoding.populations[each.source].kind != "cuba_lif":
                raise Refusal("numbers of an input would have to be sent on by neurons, which send 0 and 1")


def _doubled(synapses: Synapses, encoding: Encoding) -> Array:
    weights = synapses.weights
    if weights is None:
        return np.full(encoding.populations[synapses.source].shape[0], 2, np.int32)
    return weights.astype(np.int32) * 2
