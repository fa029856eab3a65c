"""Checks that a graph is whole: what must hold before and after every pass. A failure is our bug, not the user's."""

from __future__ import annotations

from striate.graph import Graph


def verify(graph: Graph, after: str = "elaboration") -> None:
    """Assert every invariant of a graph; `after` names the stage that would be to blame."""
    seen = set(graph.inputs)
    for node in graph.topological():
        where = f"after {after}: '{node.name}' ({node.operator.name})"
        for name in node.inputs:
            known = name in graph if node.operator.breaks_cycles else name in seen
            assert known, f"{where} reads '{name}', which does not exist or comes later"
        assert graph.dt_s is not None or not node.operator.stateful, f"{where} has state in a network without dt"
        types = graph.input_types(node)
        declared = node.operator.declared()
        assert declared in (None, *types), f"{where} declares {declared} and reads {types[0]}"
        assert node.type == node.operator.result(*types), f"{where} has type {node.type}, its operator says otherwise"
        roles = node.operator.parameters(*types)
        assert roles.keys() == node.parameters.keys(), (
            f"{where} has parameters {list(node.parameters)}, needs {list(roles)}"
        )
        for role, type in roles.items():
            parameter = graph.parameters.get(node.parameters[role])
            assert parameter is not None, f"{where}: parameter '{node.parameters[role]}' does not exist"
            assert parameter.type == type, f"{where}: {role} is {parameter.type}, must be {type}"
            if parameter.value is not None:
                assert parameter.value.shape == type.shape, (
                    f"{where}: the value of {role} has shape {parameter.value.shape}"
                )
        seen.add(node.name)
    for output, value in graph.outputs.items():
        assert value in seen, f"after {after}: output '{output}' is '{value}', which does not exist"
