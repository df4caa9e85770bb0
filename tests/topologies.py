"""More than one Redis: a master with replicas and Sentinels, a cluster, and servers that speak TLS. All on loopback."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, Self

import redis
import trustme
from redis.crc import key_slot

from taskconsole.embedded import tied
from tests.networks import Site
from tests.servers import PrivateServer, server_binary, wait_until

SETTLED = 8.0
"""Seconds Sentinels must have lived before they are relied on: younger ones have been seen to name a replica that
lacked most of what had been written."""

MASTER = "mymaster"


LOOPBACK = "127.0.0.1"


class Node(PrivateServer):
    """One server among several.

    Args:
        address: Where it is to be found by the others.
    """

    def __init__(self, *, settings: dict[str, str] | None = None, address: str = LOOPBACK, **options: Any) -> None:
        self.address = address
        if address != LOOPBACK:
            # The first one is where its own connections come from.
            settings = {"bind": f"{address} {LOOPBACK}", "protected-mode": "no", **(settings or {})}
        super().__init__(tcp=True, settings=settings, **options)


class SentinelServer(Node):
    """One Sentinel."""

    def _spawn(self, binary: Path) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                tied([str(binary), str(self.directory / "redis.conf"), "--sentinel"]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


class SentinelSetUp:
    """One master, two replicas and three Sentinels; a context manager.

    Args:
        password: What the servers ask for.
        sentinel_password: What the Sentinels ask for.
        address: Where all of them are to be found.
        site: A network of its own for the first master.
    """

    def __init__(
        self, *, password: str = "", sentinel_password: str = "", address: str = LOOPBACK, site: Site | None = None
    ) -> None:
        self._password, self._sentinel_password = password, sentinel_password
        self._address, self._site = address, site
        self._stack = ExitStack()
        self.nodes: list[Node] = []
        self.sentinels: list[SentinelServer] = []
        self.born = 0.0

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        login = {"requirepass": self._password, "masterauth": self._password} if self._password else {}
        for i in range(3):
            follows = {"replicaof": f"{self.nodes[0].address} {self.nodes[0].port}"} if i else {}
            settings = {**login, **follows, "repl-diskless-sync-delay": "0"}
            own = self._site if i == 0 else None
            address = own.address if own else self._address
            node = Node(password=self._password, settings=settings, append_only=True, address=address)
            with own.inside() if own else nullcontext():
                self.nodes.append(self._stack.enter_context(node))
        wait_until(lambda: replicas_of(self.nodes[0]) == 2, 15, "both replicas follow")
        for _ in range(3):
            self.sentinels.append(self._stack.enter_context(self._sentinel()))
        for sentinel in self.sentinels:
            wait_until(lambda sentinel=sentinel: self._sees_all(sentinel), 15, "each Sentinel sees all others")
        self.born = time.monotonic()

    def _sentinel(self) -> SentinelServer:
        return SentinelServer(settings=self._watch(), address=self._address)

    def _watch(self) -> dict[str, str]:
        watched = f"monitor {MASTER} {self.nodes[0].address} {self.nodes[0].port} 2"
        lines = [
            watched,
            f"down-after-milliseconds {MASTER} 1000",
            f"failover-timeout {MASTER} 5000",
            *([f"auth-pass {MASTER} {self._password}"] if self._password else []),
        ]
        # A directive that comes several times: the settings are a mapping, so the others follow in the first value.
        login = {"requirepass": self._sentinel_password} if self._sentinel_password else {}
        return {**login, "sentinel": "\nsentinel ".join(lines)}

    def _sees_all(self, sentinel: SentinelServer) -> bool:
        with sentinel.client(password=self._sentinel_password or None) as client:
            try:
                state: Any = client.execute_command("SENTINEL", "MASTER", MASTER)
            except redis.ResponseError:
                return False
        fields = state if isinstance(state, dict) else dict(zip(state[::2], state[1::2], strict=True))
        known = {_text(name): _text(value) for name, value in fields.items()}
        return known["num-other-sentinels"] == "2" and known["num-slaves"] == "2" and known["flags"] == "master"

    @property
    def url(self) -> str:
        """The URL for Taskconsole."""
        login = f":{self._password}@" if self._password else ""
        places = ",".join(f"{sentinel.address}:{sentinel.port}" for sentinel in self.sentinels)
        query = f"?sentinel_password={self._sentinel_password}" if self._sentinel_password else ""
        return f"redis+sentinel://{login}{places}/{MASTER}/0{query}"

    def master(self) -> Node:
        """The node that is the master now."""
        return next(node for node in self.nodes if node.running and role_of(node) == "master")

    def settle(self) -> None:
        """Wait until the Sentinels are old enough to be relied on."""
        wait_until(lambda: time.monotonic() - self.born >= SETTLED, SETTLED + 5)

    def heal(self) -> None:
        """Bring killed nodes back and wait until everything is as it was, under whichever master."""
        for node in self.nodes:
            if not node.running:
                node.restart()
        wait_until(lambda: sum(role_of(node) == "slave" for node in self.nodes) == 2, 20, "the others follow")
        wait_until(lambda: replicas_of(self.master()) == 2, 20, "both replicas follow")
        for sentinel in self.sentinels:
            wait_until(lambda sentinel=sentinel: self._sees_all(sentinel), 20, "each Sentinel sees all others")


class ClusterSetUp:
    """Three masters with a replica each; a context manager.

    Args:
        password: What the nodes ask for.
    """

    def __init__(self, *, password: str = "") -> None:
        self._password = password
        self._stack = ExitStack()
        self.nodes: list[Node] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        settings = {
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": "1000",
            "cluster-replica-validity-factor": "0",
            "repl-diskless-sync-delay": "0",
        }
        if self._password:
            settings |= {"requirepass": self._password, "masterauth": self._password}
        for _ in range(6):
            # Nodes talk to each other on a port that is 10,000 higher.
            node = Node(password=self._password, settings=settings, append_only=True, beside=10_000)
            self.nodes.append(self._stack.enter_context(node))
        first, *others = self.nodes
        bounds = [0, 5461, 10_923, 16_384]
        for i, node in enumerate(self.nodes):
            self.say(node, "SET-CONFIG-EPOCH", i + 1)
            if i < 3:
                self.say(node, "ADDSLOTS", *range(bounds[i], bounds[i + 1]))
        for other in others:
            self.say(first, "MEET", "127.0.0.1", other.port)
        for node in self.nodes:
            wait_until(lambda node=node: self._knows(node) == 6, 20, "each node knows the others")
        for master, replica in zip(self.nodes[:3], self.nodes[3:], strict=True):
            self.say(replica, "REPLICATE", self.say(master, "MYID").decode())
        self.wait_until_whole()

    def say(self, node: Node, *words: Any) -> Any:
        """One CLUSTER command, to one node; its answer as it comes."""
        with node.client() as client:
            client.response_callbacks.clear()
            return client.execute_command("CLUSTER", *words)

    def _knows(self, node: Node) -> int:
        lines = self.say(node, "NODES").decode().splitlines()
        return sum("handshake" not in line and "fail" not in line for line in lines)

    def _is_whole(self, node: Node) -> bool:
        lines = self.say(node, "NODES").decode().splitlines()
        roles = [set(line.split()[2].split(",")) - {"myself"} for line in lines]
        whole = sorted(map(sorted, roles)) == [["master"]] * 3 + [["slave"]] * 3
        return whole and b"cluster_state:ok" in self.say(node, "INFO")

    def wait_until_whole(self) -> None:
        """Every node says that there are three masters, each with a replica that has caught up."""
        for node in self.nodes:
            wait_until(lambda node=node: self._is_whole(node), 30, "the cluster is whole")
        wait_until(lambda: [replicas_of(node) for node in self.masters()] == [1, 1, 1], 30, "each master has a replica")

    @property
    def url(self) -> str:
        """The URL for Taskconsole; it names two of the nodes."""
        login = f":{self._password}@" if self._password else ""
        places = ",".join(f"127.0.0.1:{node.port}" for node in (self.nodes[0], self.nodes[4]))
        return f"redis+cluster://{login}{places}"

    def masters(self) -> list[Node]:
        """The nodes that are masters now."""
        return [node for node in self.nodes if node.running and role_of(node) == "master"]

    def master_of(self, key: str) -> Node:
        """The node that has a key now."""
        slot = key_slot(key.encode())
        for node in self.masters():
            for first, last, *nodes in self.say(node, "SLOTS"):
                if first <= slot <= last:
                    return next(other for other in self.nodes if other.port == int(nodes[0][1]))
        raise AssertionError(f"no node has {key}")

    def queues(self, count: int = 3) -> list[str]:
        """The default queue and others, each on another master as long as there are any."""
        found = {self.master_of("task_queue").port: "task_queue"}
        for i in range(1000):
            found.setdefault(self.master_of(f"queue-{i}").port, f"queue-{i}")
            if len(found) == count:
                return list(found.values())
        raise AssertionError("no such queues")

    def heal(self) -> None:
        """Bring killed nodes back and wait until there are three masters with a replica each."""
        for node in self.nodes:
            if not node.running:
                node.restart()
        self.wait_until_whole()


def role_of(node: PrivateServer) -> str:
    """`master` or `slave`; empty when it cannot be asked just now."""
    return str(_replication(node).get("role", ""))


def replicas_of(node: PrivateServer) -> int:
    """How many replicas have caught up with a node."""
    return sum(isinstance(value, dict) and value.get("state") == "online" for value in _replication(node).values())


def _replication(node: PrivateServer) -> dict[str, Any]:
    with node.client() as client:
        try:
            return dict(client.info("replication"))  # type: ignore[arg-type]  # the blocking client
        except redis.ConnectionError:
            return {}  # a Sentinel that turns a server into something else cuts every connection to it


def replicated(node: PrivateServer, replicas: int = 1) -> None:
    """Wait until everything that the node has acknowledged so far has reached so many replicas."""
    with node.client() as client:
        client.ping()  # WAIT waits for what had been written when this connection was last answered
        assert client.wait(replicas, 5000) >= replicas


def _text(value: bytes | str | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# -- TLS


def tls_binary() -> Path | None:
    """A server that speaks TLS: the one under test, else the first on PATH."""
    places = [Path(folder, name) for folder in os.get_exec_path() for name in ("redis-server", "valkey-server")]
    for binary in (server_binary(), *places):
        if os.access(binary, os.X_OK) and b"tls-cert-file" in binary.read_bytes():
            return binary
    return None


class Certificates:
    """An authority, a certificate of the server and one of a client, as files.

    Args:
        folder: Where to put them.
    """

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca, self.server, self.client = folder / "ca.pem", folder / "server.pem", folder / "client.pem"
        authority.cert_pem.write_to_path(self.ca)
        authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(self.server)
        authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(self.client)

    def settings(self, port: int, *, ask: bool = False) -> dict[str, str]:
        """The directives of a server that listens with TLS, and asks for clients' certificates if told to."""
        return {
            "tls-port": str(port),
            "tls-cert-file": str(self.server),
            "tls-key-file": str(self.server),
            "tls-ca-cert-file": str(self.ca),
            "tls-auth-clients": "yes" if ask else "no",
        }
