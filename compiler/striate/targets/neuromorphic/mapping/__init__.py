"""From populations to cores: what fits, how they are cut, and where each part stands."""
