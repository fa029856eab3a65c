"""`striate check`: will it compile, and does it fit? Nothing is built or run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from striate.cli.arguments import Calibration, Json, Model, On, Weights

if TYPE_CHECKING:
    from striate.machine import Machine
    from striate.pipeline import Compilation


def check(
    model: Model, on: On = None, weights: Weights = None, calibration: Calibration = None, json: Json = False
) -> None:
    """Say whether a network compiles and fits each machine, with its parameters and its work. Exit code 1 if not.

    A network without weights is checked with random ones: fitting depends on shapes, not on values.
    """
    import typer

    from striate.cli import console
    from striate.cli.arguments import machines
    from striate.pipeline import read

    compilation = read(model, weights=weights, calibration=calibration, stand_ins=True)
    network = _network(compilation)
    verdicts = [_verdict(compilation, machine) for machine in machines(compilation, on)]
    if json:
        console.print_json({"format": 1, **network, "machines": verdicts})
    else:
        _print(network, verdicts)
    if not all(verdict["ok"] for verdict in verdicts):
        raise typer.Exit(1)


def _network(compilation: Compilation) -> dict[str, object]:
    graph = compilation.graph
    layers: list[dict[str, object]] = []
    macs = operations = 0
    for node in graph:
        work = node.operator.work(*graph.input_types(node))
        macs, operations = macs + work.macs, operations + work.operations
        layers.append(
            {
                "name": node.name,
                "operator": node.operator.name,
                "type": str(node.type),
                "macs": work.macs,
                "operations": work.operations,
            }
        )
    trained = _trained(compilation)
    return {
        "network": graph.name,
        "inputs": {name: str(type) for name, type in graph.inputs.items()},
        "outputs": {name: str(graph.type_of(value)) for name, value in graph.outputs.items()},
        "parameters": trained,
        "macs": macs,
        "operations": operations,
        "dt_s": graph.dt_s,
        "weights": "random" if compilation.weights_are_random else "given",
        "layers": layers,
    }


def _trained(compilation: Compilation) -> int:
    """Numbers that training sets; what is measured (a batch norm's running statistics) is not among them."""
    graph = compilation.graph
    measured = {node.parameters[role] for node in graph for role in node.operator.buffers}
    return sum(p.type.elements for name, p in graph.parameters.items() if name not in measured)


def _verdict(compilation: Compilation, machine: Machine) -> dict[str, object]:
    from striate.cli.errors import as_json, diagnostics_of, user_errors
    from striate.pipeline import lower

    try:
        program = lower(compilation, machine, build=False)
    except user_errors() as error:
        return {"machine": str(machine), "ok": False, "errors": [as_json(d) for d in diagnostics_of(error)]}
    from striate_runtime.report.program import summary

    steps = compilation.steps_on(machine) if compilation.graph.dt_s is not None else None
    of_a_sample = {} if steps is None else {"steps_per_sample": steps}
    return {"machine": str(machine), "ok": True, "errors": [], **summary(program), **of_a_sample}


def _print(network: dict[str, object], verdicts: list[dict[str, object]]) -> None:
    from striate.operators.units import write_quantity

    inputs, outputs = (", ".join(f"{n}: {t}" for n, t in network[k].items()) for k in ("inputs", "outputs"))  # type: ignore[attr-defined]
    print(f"{network['network']}: {inputs} -> {outputs}")
    print(
        f"  {network['parameters']:,} parameters, {network['macs']:,} MACs, {network['operations']:,} other operations"
    )
    if network["dt_s"] is not None:
        print(f"  with time: types and work are those of one step of {write_quantity(network['dt_s'], 'time')}")  # type: ignore[arg-type]
    if network["weights"] == "random":
        print("  no weights named: checked with random ones")
    for verdict in verdicts:
        if verdict["ok"]:
            rest = {k: v for k, v in verdict.items() if k not in ("machine", "ok", "errors")}
            print(f"ok    {verdict['machine']}: " + ", ".join(_counted(v, k) for k, v in rest.items()))  # type: ignore[arg-type]
            continue
        for error in verdict["errors"]:  # type: ignore[attr-defined]
            print(f"FAILS {verdict['machine']}: error[{error['code']}]: {error['message']}")
            if error["help"]:
                print(f"      help: {error['help']}")


def _counted(number: int, name: str) -> str:
    """`4 chips`, `1 chip`."""
    words = name.replace("_", " ")
    return f"{number:,} {words.removesuffix('s') if number == 1 else words}"
