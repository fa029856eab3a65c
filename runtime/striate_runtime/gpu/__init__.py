"""Runs a program on a GPU, or its kernels in Triton's interpreter where there is none.

session     open_gpu: THE WAY IN. A program on a real GPU
stand_in    the same program without a GPU: values interpreted, time and energy estimated
plan        what the program's body says: where buffers lie, how many programs a launch needs, how images lie
driver      the CUDA driver API, the few calls that are needed
cubin       what a compiled kernel says of its own parameters
kernels     the right cubin for this GPU, loaded, its parameters checked and packed
verify      which candidates agree, before any is timed
tune        which candidate is fastest
choices     what was chosen, remembered in the user's cache
measure     latency by events over graph replays; energy by NVML's counter (nvml)
estimate    the roofline
interpret   the child process that interprets kernels; interpreter_process is this side of it
"""
