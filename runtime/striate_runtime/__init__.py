"""striate_runtime: loads a compiled program and runs or profiles it; knows nothing of the compiler.

program = load("lenet5.gpu.striate.zip")
with open_device(program) as device:
    outputs = device.run({"image": images})
    profile = device.profile({"image": images})
"""

from striate_runtime.device import Device, open_device
from striate_runtime.profile import Profile
from striate_runtime.program import Program, ProgramError, load

__all__ = ["Device", "Profile", "Program", "ProgramError", "load", "open_device"]
