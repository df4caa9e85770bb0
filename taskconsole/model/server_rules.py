"""The rules for the Redis server and the way to it. Pure.

The thresholds are constants of this module, each with its reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.model.phrase import quoted, size, span
from taskconsole.model.printable import printable
from taskconsole.model.queue_rules import BROKEN, CLOCK_SKEW, SKEW_NOTE, SKEW_WARNING
from taskconsole.model.rule import Level, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from taskconsole.model.rule import Verdict
    from taskconsole.model.stats import Overview, ServerInfo

__all__ = ["SERVER_RULES", "judge_link", "judge_server"]

NEARLY_FULL, FULL = 0.85, 0.97
"""Shares of maxmemory. Near the second one enqueue is refused at any moment."""

CROWDED, OVERCROWDED = 0.85, 0.97
"""Shares of maxclients. Near the second one new workers, and this console, are refused at any moment."""

SLOW = 0.25
"""Seconds of a round trip that every claim of every worker would take, too."""

LOADING = Rule(
    name="loading",
    levels=(Level.CRITICAL,),
    when="INFO says loading:1",
    means="Redis reads its data from disk and answers nothing else until it has",
    fix="wait; redis-cli INFO persistence",
)
REPLICA = Rule(
    name="replica",
    levels=(Level.CRITICAL,),
    when="the server is a replica",
    means="nothing can be enqueued or worked here, or what is written is lost with the next synchronization",
    fix="connect to its primary; redis-cli INFO replication",
)
DISK = Rule(
    name="disk",
    levels=(Level.CRITICAL,),
    when="the last write of the append-only file, or the last snapshot, failed",
    means="Redis refuses writes (MISCONF) until it can save again, unless told otherwise",
    fix="make room on its disk; redis-cli BGSAVE",
)
EVICTION = Rule(
    name="eviction",
    levels=(Level.CRITICAL, Level.WARNING),
    when="maxmemory is set and its policy is not noeviction; critical for allkeys-…",
    means="Redis deletes queues, or the notes of workers and producers, when it is full",
    fix="redis-cli CONFIG SET maxmemory-policy noeviction",
)
MEMORY = Rule(
    name="memory",
    levels=(Level.CRITICAL, Level.WARNING),
    when=f"{NEARLY_FULL:.0%} of maxmemory are used; critical from {FULL:.0%}",
    means="enqueue is refused when it is full; workers go on and drain",
    fix="redis-cli CONFIG SET maxmemory BYTES",
)
CLIENTS = Rule(
    name="clients",
    levels=(Level.CRITICAL, Level.WARNING),
    when=f"{CROWDED:.0%} of maxclients are connected; critical from {OVERCROWDED:.0%}",
    means="new workers, producers and consoles are refused when they are all taken",
    fix="redis-cli CONFIG SET maxclients N",
)
PERSISTENCE = Rule(
    name="persistence",
    levels=(Level.WARNING, Level.NOTE),
    when="no append-only file; a note when there are snapshots",
    means="a restart of Redis loses every task, or those since the last snapshot",
    fix="redis-cli CONFIG SET appendonly yes",
)
ALONE = Rule(
    name="no replica",
    levels=(Level.CRITICAL, Level.WARNING),
    when="the URL leads to Sentinels or a cluster, and no server follows; critical where nothing is written then",
    means="nobody takes over when it dies; with min-replicas-to-write it refuses every write (NOREPLICAS)",
    fix="redis-cli INFO replication; start a replica, or mend the one there was",
)
UNBOUNDED = Rule(
    name="failover",
    levels=(Level.NOTE,),
    when="another server takes over when this one dies, and min-replicas-to-write is not set",
    means="cut off from its replicas it goes on accepting tasks, all of which are lost when it is back",
    fix="redis-cli CONFIG SET min-replicas-to-write 1; redis-cli CONFIG SET min-replicas-max-lag 2",
)
UNVERIFIED = Rule(
    name="tls not verified",
    levels=(Level.WARNING,),
    when="the URL says rediss:// and ssl_cert_reqs is not required",
    means="whoever sits on the line can read and change everything, the password included",
    fix="give ssl_ca_certs=FILE in the URL instead of ssl_cert_reqs",
)
SLOW_LINK = Rule(
    name="slow link",
    levels=(Level.NOTE,),
    when=f"a round trip takes {SLOW:g} s",
    means="every claim of a worker over this link takes as long",
    fix="run workers close to Redis",
)

SERVER_RULES = (LOADING, REPLICA, DISK, EVICTION, MEMORY, CLIENTS, PERSISTENCE, ALONE, UNBOUNDED, UNVERIFIED, SLOW_LINK)


def judge_server(server: ServerInfo) -> Iterator[Verdict]:
    """What is wrong with the server itself."""
    if server.loading:
        left = f", {span(server.loading_left)} to go" if server.loading_left is not None else ""
        yield LOADING.found(
            Level.CRITICAL,
            f"LOADING: Redis reads its data from disk and does nothing else{left}",
            evidence=f"loading:1{left}",
            fix="redis-cli INFO persistence",
        )
    if server.role == "slave":
        yield _replica(server)
    yield from _disk(server)
    yield from _memory(server)
    yield from _clients(server)
    yield from _persistence(server)
    yield from _failover(server)
    if server.unverified:
        yield UNVERIFIED.found(
            Level.WARNING,
            "TLS NOT VERIFIED: the server's certificate is not looked at; whoever answers is believed to be Redis",
            evidence="ssl_cert_reqs in the URL",
            fix=UNVERIFIED.fix,
        )


def _replica(server: ServerInfo) -> Verdict:
    what = (
        "nothing can be enqueued or worked here"
        if server.read_only
        else "what is written here is lost with the next synchronization"
    )
    link = f", master_link_status:{printable(server.master_link, 40)}" if server.master_link else ""
    return REPLICA.found(
        Level.CRITICAL,
        f"REPLICA: this Redis is a {'read-only' if server.read_only else 'writable'} replica: {what}",
        evidence=f"role:slave, slave_read_only:{int(server.read_only)}{link}",
        fix="redis-cli INFO replication",
    )


def _disk(server: ServerInfo) -> Iterator[Verdict]:
    if server.aof_failed:
        yield DISK.found(
            Level.CRITICAL,
            "DISK: Redis cannot write its append-only file and refuses every write until it can",
            evidence="aof_last_write_status:err",
            fix="redis-cli INFO persistence",
        )
    elif server.save_failed:
        yield DISK.found(
            Level.CRITICAL,
            "DISK: Redis could not save its last snapshot and refuses writes until it can",
            evidence="rdb_last_bgsave_status:err",
            since=server.last_save,
            fix="redis-cli BGSAVE",
        )


def _memory(server: ServerInfo) -> Iterator[Verdict]:
    if not server.max_memory:
        return
    if server.eviction_policy not in {"", "noeviction"}:
        everything = server.eviction_policy.startswith("allkeys")
        what = "any queue" if everything else "what a worker or a producer keeps for itself"
        yield EVICTION.found(
            Level.CRITICAL if everything else Level.WARNING,
            f"EVICTION: Redis may delete {what} when it is full",
            evidence=f"maxmemory-policy {printable(server.eviction_policy, 40)}, maxmemory {size(server.max_memory)}",
            fix="redis-cli CONFIG SET maxmemory-policy noeviction",
        )
    share = server.used_memory / server.max_memory
    if share >= NEARLY_FULL:
        yield MEMORY.found(
            Level.CRITICAL if share >= FULL else Level.WARNING,
            f"MEMORY: Redis is {share:.0%} full; enqueue is refused when it is full",
            evidence=f"{size(server.used_memory)} of maxmemory {size(server.max_memory)}",
            fix=f"redis-cli CONFIG SET maxmemory {2 * server.max_memory}",
        )


def _clients(server: ServerInfo) -> Iterator[Verdict]:
    if server.max_clients and server.clients / server.max_clients >= CROWDED:
        share = server.clients / server.max_clients
        yield CLIENTS.found(
            Level.CRITICAL if share >= OVERCROWDED else Level.WARNING,
            f"CLIENTS: {share:.0%} of the connections are taken; then nobody else is let in",
            evidence=f"{server.clients:,} of maxclients {server.max_clients:,}",
            fix=f"redis-cli CONFIG SET maxclients {2 * server.max_clients}",
        )


def _persistence(server: ServerInfo) -> Iterator[Verdict]:
    told = f"persistence: {printable(server.persistence, 40)}"
    if server.persistence.startswith("none"):
        yield PERSISTENCE.found(
            Level.WARNING,
            "PERSISTENCE: Redis keeps nothing on disk; when it restarts, every task is lost",
            evidence=told,
            fix="redis-cli CONFIG SET appendonly yes",
        )
    elif server.persistence.startswith("rdb"):
        yield PERSISTENCE.found(
            Level.NOTE,
            "PERSISTENCE: Redis saves snapshots only; a crash loses what came after the last one",
            evidence=told,
            since=server.last_save,
            fix="redis-cli CONFIG SET appendonly yes",
        )


def _failover(server: ServerInfo) -> Iterator[Verdict]:
    if server.role != "master":
        return
    if server.near_replicas == 0:
        yield ALONE.found(
            Level.CRITICAL,
            "NO REPLICA is near enough: Redis refuses every write until one is (NOREPLICAS)",
            evidence=f"connected_slaves:{server.replicas}, min_slaves_good_slaves:0",
            fix="redis-cli INFO replication",
        )
    elif server.wants_replicas and not server.replicas:
        yield ALONE.found(
            Level.WARNING,
            "NO REPLICA follows this Redis: when it dies nobody takes over",
            evidence="connected_slaves:0",
            fix="redis-cli INFO replication",
        )
    elif server.wants_replicas and server.near_replicas is None:
        yield UNBOUNDED.found(
            Level.NOTE,
            "FAILOVER: cut off from its replicas, this Redis would accept tasks that are lost afterwards",
            evidence=f"connected_slaves:{server.replicas}, min-replicas-to-write is not set",
            fix="redis-cli CONFIG SET min-replicas-to-write 1",
        )


def judge_link(overview: Overview, local_time: float | None) -> Iterator[Verdict]:
    """What is wrong between Redis and here; `local_time` as in `judge`."""
    if overview.trouble:
        yield BROKEN.found(
            Level.CRITICAL,
            "BROKEN: the names of the queues cannot be read",
            evidence=printable(overview.trouble, 300),
            fix=f"redis-cli RENAMENX {quoted(overview.trouble_key)} {quoted(overview.trouble_key + ':set-aside')}",
        )
    if overview.rtt >= SLOW:
        yield SLOW_LINK.found(
            Level.NOTE,
            "SLOW LINK: Redis is far away; workers close to it do more",
            evidence=f"a round trip took {overview.rtt * 1000:,.0f} ms",
        )
    if local_time is None:
        return
    skew = local_time - overview.at
    # The reading itself took time; that much difference proves nothing.
    if abs(skew) >= SKEW_NOTE + overview.rtt:
        yield CLOCK_SKEW.found(
            Level.WARNING if abs(skew) >= SKEW_WARNING else Level.NOTE,
            f"CLOCK SKEW: this machine's clock is {span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} Redis's",
            evidence="tasks go by the clock of Redis; times that people enter or read may not",
            fix="timedatectl set-ntp true",
        )
