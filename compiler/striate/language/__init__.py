"""The language: text -> syntax -> graph, and text -> text in canonical layout. `lark` is loaded on first use."""

from striate.language.elaborate import Elaborated, elaborate
from striate.language.experiment import Experiment, parse_machine
from striate.language.format import format_source
from striate.language.parse import parse
from striate.language.read import read
from striate.weights import WeightsDeclaration

__all__ = [
    "Elaborated",
    "Experiment",
    "WeightsDeclaration",
    "elaborate",
    "format_source",
    "parse",
    "parse_machine",
    "read",
]
