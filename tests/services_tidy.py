"""Delete what a test session put into services that go on running."""

from kafka import KafkaAdminClient
from redis import Redis

SCAN = 1_000


def delete_topics(bootstrap: str, prefix: str) -> None:
    """Delete the topics of a session."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        if topics := [topic for topic in admin.list_topics() if topic.startswith(prefix)]:
            admin.delete_topics(topics)
    finally:
        admin.close()


def delete_keys(url: str, prefix: str) -> None:
    """Delete the keys of a session that this one node holds, wherever in the key its name stands."""
    with Redis.from_url(url) as client:
        for key in client.scan_iter(match=f"*{prefix}*", count=SCAN):
            client.unlink(key)
