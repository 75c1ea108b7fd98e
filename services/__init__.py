"""Local real services: a Kafka, a Redis and a Redis Cluster as processes on loopback, for people and for tests.

Nothing here imports rtrec or anything outside the standard library: `python3 services/services.py start` works
before `make install`. `ServiceSet` is the whole; its parts (`kafka`, `redis`, `cluster`) can be killed, stopped and
restarted one by one, with their data and on their ports.
"""
