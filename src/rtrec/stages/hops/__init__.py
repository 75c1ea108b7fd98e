"""Stages on their own: what each does with a micro-batch of its topic, where topics lie between them (a cluster)."""
