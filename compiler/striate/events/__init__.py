"""Events of a camera: files read, checked, and binned to the steps of a network. The promise: spec/events.md."""

from striate.events.binning import bin_events
from striate.events.checks import check_order, check_sensor
from striate.events.formats import FORMATS, read_events
from striate.events.recording import OFF, ON, Recording, Sensor
from striate.events.select import Window, crop, sort

__all__ = [
    "FORMATS",
    "OFF",
    "ON",
    "Recording",
    "Sensor",
    "Window",
    "bin_events",
    "check_order",
    "check_sensor",
    "crop",
    "read_events",
    "sort",
]
