"""How profiles and comparisons are shown."""
