"""THE TARGETS, by kind of hardware; each is imported only when a machine of its kind is asked for."""

from striate.targets.find import TARGETS, find

__all__ = ["TARGETS", "find"]
