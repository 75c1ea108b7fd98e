"""A second, slow implementation of what the texts promise, sharing no code with `rtrec`: it judges the first."""
