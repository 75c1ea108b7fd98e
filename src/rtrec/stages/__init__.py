"""Stages: pure functions of (state, a chunk of input, now) that return effects as values."""
