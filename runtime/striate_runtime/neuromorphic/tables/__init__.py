"""From a program's body to the arrays that the kernels walk."""
