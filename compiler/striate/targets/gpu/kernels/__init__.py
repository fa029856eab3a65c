"""The template kernels, one a file: real Triton functions, with slots where the compiler writes.

A line that ends in `# slot: NAME` is replaced by what the compiler writes for NAME, or kept as it is where it writes
nothing, so that every file works unrendered. These files are read as text and never imported by the compiler.
"""
