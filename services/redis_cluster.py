"""A Redis Cluster of three masters, without replicas: what hash tags and redirections need, no more.

Ready means that all nodes know each other and find every slot served.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.certificates import Certificates
from services.part import BUS_OFFSET, HOST, READY_S
from services.process import ServiceError, until
from services.redis_server import RedisServer
from services.resp import RespError

NODES = 3
SLOTS = 16_384
CLUSTER_DIRECTIVES = {
    "cluster-enabled": "yes",
    "cluster-config-file": "nodes.conf",
    "cluster-node-timeout": "5000",  # a busy machine answers late; a node away for less goes unnoticed
}


class RedisCluster:
    """Three nodes, each a `RedisServer` in `nodes`, to be killed and restarted one by one or together."""

    def __init__(
        self,
        folder: Path,
        *,
        directives: Mapping[str, str] | None = None,
        password: str = "",
        tls: Certificates | None = None,
    ) -> None:
        """Describe it; nothing starts yet."""
        # Nodes tell clients the ports that they use among themselves (Redis 7.0): TLS for both, or for none.
        lines = CLUSTER_DIRECTIVES | ({"tls-cluster": "yes"} if tls else {}) | dict(directives or {})
        self._peer_port = "tls" if tls else "client"
        names = [f"redis-cluster-{number}" for number in range(1, NODES + 1)]
        self.name = "redis-cluster"
        self.nodes = [
            RedisServer(folder / f"node-{number}", directives=lines, password=password, tls=tls, name=name)
            for number, name in enumerate(names, start=1)
        ]

    @property
    def url(self) -> str:
        """One node's: clients learn of the others there."""
        return self.nodes[0].url

    @property
    def tls_url(self) -> str:
        """The same with TLS."""
        return self.nodes[0].tls_url

    @property
    def running(self) -> bool:
        """Whether all nodes run."""
        return all(node.running for node in self.nodes)

    @property
    def state(self) -> dict[str, Any]:
        """What is recorded of each node."""
        return {node.name: node.state for node in self.nodes}

    def programs(self) -> list[str]:
        """Those of its nodes."""
        return self.nodes[0].programs()

    def start(self) -> bool:
        """Start what does not run and wait until all slots are served; False if all ran already."""
        launched = self.launch()
        self.wait()
        return launched

    def launch(self) -> bool:
        """Start the nodes, and if they never were a cluster, make them one; False if all ran already."""
        launched = [node.launch() for node in self.nodes]
        for node in self.nodes:
            node.wait()
        for number, node in enumerate(self.nodes):
            self._join(number, node)
        return any(launched)

    def wait(self, seconds: float = READY_S) -> None:
        """Wait until every slot is served: they find each other in 5 s, and again in 2."""
        if not until(self.ready, seconds):
            answers = "\n".join(f"{node.name}: {node.ask('CLUSTER', 'INFO')}" for node in self.nodes)
            raise ServiceError(f"the nodes are no cluster after {seconds:.0f} s:\n{answers}")

    def ready(self) -> bool:
        """Whether every node finds every slot served."""
        try:
            facts = [_info(node) for node in self.nodes]
        except (OSError, RespError):
            return False
        return all(fact["cluster_state"] == "ok" and fact["cluster_known_nodes"] == str(NODES) for fact in facts)

    def stop(self) -> None:
        """End all nodes in order."""
        for node in self.nodes:
            node.stop()

    def kill(self) -> None:
        """End all nodes as a crash does."""
        for node in self.nodes:
            node.kill()

    def restart(self) -> None:
        """Stop what runs, and start all with the same ports and data."""
        self.stop()
        self.start()

    def _join(self, number: int, node: RedisServer) -> None:
        """Give a new node its share of the slots and let it meet the first; a node that has both is left alone."""
        facts = _info(node)
        if facts["cluster_slots_assigned"] == "0":
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
            share = range(SLOTS * number // NODES, SLOTS * (number + 1) // NODES)
            node.ask("CLUSTER", "ADDSLOTS", *map(str, share))
        if facts["cluster_known_nodes"] == "1" and number:
            port = self.nodes[0].port(self._peer_port)
            node.ask("CLUSTER", "MEET", HOST, str(port), str(port + BUS_OFFSET))


def _info(node: RedisServer) -> dict[str, str]:
    """A node's view of the cluster."""
    lines = node.ask("CLUSTER", "INFO").split("\r\n")
    return {key: value for key, found, value in (line.partition(":") for line in lines) if found}
