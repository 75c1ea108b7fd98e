"""The ports in the world: SQLite for log, state and positions; Prometheus for metrics."""
