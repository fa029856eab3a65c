"""From a graph to populations of neurons and the projections between them, one coding a file."""
