"""The compiler's one intermediate representation: named applications of operators, over networkx."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import networkx as nx

from striate.diagnostics import Span
from striate.operators.schema import Operator
from striate.tensor import Array, TensorType


@dataclass(frozen=True)
class Node:
    """One application of an operator. `inputs` is the truth about edges; it names nodes or graph inputs.

    `parameters` maps the operator's roles to names in `Graph.parameters`: `{"weight": "conv1.weight"}`.
    `name` is dotted by the blocks it came from (`layer1.0.conv1`), so that a report can fold by block.
    """

    name: str
    operator: Operator
    inputs: tuple[str, ...]
    parameters: Mapping[str, str]
    type: TensorType
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Parameter:
    """A trained tensor: its type, and its value once weights are loaded."""

    type: TensorType
    value: Array | None = field(default=None, compare=False, repr=False)


class Graph:
    """A network: inputs, nodes in the author's order, outputs, parameters.

    Values (inputs and nodes) share one namespace. `outputs` maps the names the user sees to values.
    Types are inferred when a node is added or replaced, so a graph is well typed at all times. With a time step `dt_s`
    the network runs step by step: types are those of one step, and a cycle may close through a `delay`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.dt_s: float | None = None
        self.inputs: dict[str, TensorType] = {}
        self.outputs: dict[str, str] = {}
        self.parameters: dict[str, Parameter] = {}
        self._nodes: dict[str, Node] = {}
        self._order: dict[str, int] = {}
        self._edges: nx.DiGraph[str] = nx.DiGraph()
        self._next = 0

    # -- reading

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, name: str) -> bool:
        return name in self._nodes or name in self.inputs

    def __iter__(self) -> Iterator[Node]:
        return iter(self.topological())

    def node(self, name: str) -> Node:
        """The node called `name`. KeyError if it is an input or unknown."""
        return self._nodes[name]

    def producer(self, name: str) -> Node | None:
        """The node that makes value `name`; None for a graph input."""
        return self._nodes.get(name)

    def type_of(self, name: str) -> TensorType:
        """The type of a value."""
        return self.inputs[name] if name in self.inputs else self._nodes[name].type

    def input_types(self, node: Node) -> tuple[TensorType, ...]:
        """The types of a node's operands, in order."""
        declared = node.operator.declared()
        return tuple(self.type_of(name) if name in self or declared is None else declared for name in node.inputs)

    def users(self, name: str) -> list[Node]:
        """The nodes that read value `name`, in the author's order."""
        users: list[str] = sorted(self._edges.successors(name), key=self._order.__getitem__)
        return [self._nodes[user] for user in users]

    def is_output(self, name: str) -> bool:
        """Whether value `name` leaves the network."""
        return name in self.outputs.values()

    def only_user(self, name: str) -> Node | None:
        """The one node that reads `name`, if exactly one does and it is no output."""
        users = self.users(name)
        return users[0] if len(users) == 1 and not self.is_output(name) else None

    def topological(self) -> list[Node]:
        """Nodes, operands first; ties by the author's order, so that every dump is stable.

        A delay does not wait for its operand, which is read after the step.
        """
        edges = self._edges
        late = [node.name for node in self._nodes.values() if node.operator.breaks_cycles]
        if late:
            edges = edges.copy()
            edges.remove_edges_from(list(edges.in_edges(late)))
        order: Iterable[str] = nx.lexicographical_topological_sort(edges, key=self._order.__getitem__)
        return [self._nodes[name] for name in order if name in self._nodes]

    def loops(self) -> list[frozenset[str]]:
        """The recurrent parts: nodes that depend on each other in an earlier step, all that do together."""
        parts: Iterable[set[str]] = nx.strongly_connected_components(self._edges)
        return [frozenset(part) for part in parts if len(part) > 1 or any(self._edges.has_edge(n, n) for n in part)]

    def parameter(self, node: Node, role: str) -> Parameter:
        """The parameter a node uses in `role`."""
        return self.parameters[node.parameters[role]]

    def value(self, node: Node, role: str) -> Array | None:
        """The value of a node's parameter, or None where the node has no such role or weights are not loaded."""
        name = node.parameters.get(role)
        return None if name is None else self.parameters[name].value

    # -- writing

    def add_input(self, name: str, type: TensorType) -> None:
        """Declare a graph input."""
        assert name not in self, f"the value '{name}' exists already"
        self.inputs[name] = type
        self._enter(name)

    def add(
        self,
        name: str,
        operator: Operator,
        inputs: Iterable[str],
        parameters: Mapping[str, str] | None = None,
        span: Span | None = None,
    ) -> Node:
        """Append a node; its parameters are declared as `name.role` unless `parameters` names them.

        Raises OperatorError where the operator cannot be applied to these operands.
        """
        assert name not in self, f"the value '{name}' exists already"
        node = self._typed(Node(name, operator, tuple(inputs), dict(parameters or {}), _PENDING, span))
        self._enter(name)
        self._install(node)
        return node

    def replace(
        self,
        name: str,
        *,
        operator: Operator | None = None,
        inputs: Iterable[str] | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Node:
        """Change a node in place; its type and its users' types are inferred again."""
        old = self._nodes[name]
        new = self._typed(
            replace(
                old,
                operator=operator or old.operator,
                inputs=old.inputs if inputs is None else tuple(inputs),
                parameters=old.parameters if parameters is None else dict(parameters),
            )
        )
        self._install(new)
        if new.type != old.type:
            self._retype_users(name)
        return new

    def redirect(self, old: str, new: str) -> None:
        """Let everything that reads value `old`, outputs included, read `new` instead."""
        for user in self.users(old):
            if user.name != new:
                self.replace(user.name, inputs=[new if name == old else name for name in user.inputs])
        self.outputs = {output: new if value == old else value for output, value in self.outputs.items()}

    def remove(self, name: str) -> None:
        """Delete a node nobody reads."""
        assert not self.users(name), f"'{name}' is still read"
        assert not self.is_output(name), f"'{name}' is an output"
        del self._nodes[name], self._order[name]
        self._edges.remove_node(name)

    def keep_only(self, names: set[str]) -> int:
        """Delete every node but these, of which none reads a deleted one; returns how many. Loops go as a whole."""
        gone = [name for name in self._nodes if name not in names]
        for name in gone:
            del self._nodes[name], self._order[name]
        self._edges.remove_nodes_from(gone)
        assert all(operand in self for node in self._nodes.values() for operand in node.inputs), (
            "a deleted node is read"
        )
        return len(gone)

    def downstream(self, names: Iterable[str]) -> set[str]:
        """The nodes that depend on any of these values, in this step or a later one; the values themselves too."""
        return _reached(names, self._edges.successors)

    def upstream(self, names: Iterable[str]) -> set[str]:
        """The values that any of these depend on, in this step or an earlier one; the values themselves too."""
        return _reached(names, self._edges.predecessors)

    def set_parameter(self, name: str, value: Array, type: TensorType) -> str:
        """Define (or overwrite) a parameter with its value; returns its name."""
        self.parameters[name] = Parameter(type, value)
        return name

    def drop_unused_parameters(self) -> None:
        """Forget parameters that no node names."""
        used = {name for node in self._nodes.values() for name in node.parameters.values()}
        self.parameters = {name: p for name, p in self.parameters.items() if name in used}

    def fresh(self, stem: str) -> str:
        """A value name not in use, `stem` or `stem_2`, `stem_3`, ..."""
        name, number = stem, 2
        while name in self:
            name, number = f"{stem}_{number}", number + 1
        return name

    def fresh_parameter(self, stem: str) -> str:
        """A parameter name not in use, `stem` or `stem_2`, `stem_3`, ..."""
        name, number = stem, 2
        while name in self.parameters:
            name, number = f"{stem}_{number}", number + 1
        return name

    def copy(self) -> Graph:
        """An independent graph that shares the (immutable) nodes and parameter values."""
        other = Graph(self.name)
        other.dt_s = self.dt_s
        other.inputs, other.outputs, other.parameters = dict(self.inputs), dict(self.outputs), dict(self.parameters)
        other._nodes, other._order, other._next = dict(self._nodes), dict(self._order), self._next
        other._edges = self._edges.copy()
        return other

    def become(self, other: Graph) -> None:
        """Take over all that `other` holds, for a pass that builds its result anew; `other` is not to be used after."""
        self.dt_s = other.dt_s
        self.inputs, self.outputs, self.parameters = other.inputs, other.outputs, other.parameters
        self._nodes, self._order, self._edges, self._next = other._nodes, other._order, other._edges, other._next

    def __eq__(self, other: object) -> bool:
        """Same inputs, outputs, nodes and parameter types; the order of independent nodes does not count."""
        return (
            isinstance(other, Graph)
            and self.name == other.name
            and self.dt_s == other.dt_s
            and list(self.inputs.items()) == list(other.inputs.items())
            and list(self.outputs.items()) == list(other.outputs.items())
            and self._nodes == other._nodes
            and self.parameters == other.parameters
        )

    __hash__ = None  # type: ignore[assignment]

    # -- bookkeeping

    def _enter(self, name: str) -> None:
        self._order[name] = self._next
        self._next += 1
        self._edges.add_node(name)

    def _install(self, node: Node) -> None:
        self._nodes[node.name] = node
        self._edges.remove_edges_from(list(self._edges.in_edges(node.name)))
        self._edges.add_edges_from((source, node.name) for source in node.inputs)
        for role, type in node.operator.parameters(*self.input_types(node)).items():
            name = node.parameters[role]
            known = self.parameters.get(name)
            if known is None or known.type != type:
                value = known.value if known and known.value is not None and known.value.shape == type.shape else None
                self.parameters[name] = Parameter(type, value)

    def _typed(self, node: Node) -> Node:
        types = self.input_types(node)
        roles = node.operator.parameters(*types)
        parameters = {role: node.parameters.get(role, f"{node.name}.{role}") for role in roles}
        return replace(node, type=node.operator.result(*types), parameters=parameters)

    def _retype_users(self, name: str) -> None:
        pending = self.users(name)
        while pending:
            user = pending.pop(0)
            retyped = self._typed(user)
            if retyped.type != user.type or retyped.parameters != user.parameters:
                self._install(retyped)
                pending.extend(self.users(user.name))


def _reached(names: Iterable[str], next_of: Callable[[str], Iterable[str]]) -> set[str]:
    found, pending = set[str](), list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(next_of(name))
    return found


_PENDING = TensorType("f32", ())
