"""striate: compile one convolutional network for a GPU and for an emulated neuromorphic chip, and compare them."""
