"""What runs for every event and every neuron, compiled by numba. Nothing but these files imports numba."""
