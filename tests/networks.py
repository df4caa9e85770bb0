"""Networks that can be cut: places with a network of their own, plugged into a switch.

These are network namespaces and a bridge of Linux, made with iproute2 as root; elsewhere the tests that need them are
skipped, with the reason.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest


class Switch:
    """What places are plugged into, this process's own network among them; a context manager."""

    def __init__(self) -> None:
        self._name = f"tc{os.getpid()}"
        # 198.18.0.0/15 is for tests of networks; each test process has a part of it.
        self._net = f"198.{18 + os.getpid() // 256 % 2}.{os.getpid() % 256}"
        self._sites: list[Site] = []
        self.address = f"{self._net}.1"
        """Where servers that live in this process's own network are to be found."""

    def __enter__(self) -> Self:
        for program in ("ip", "tc"):
            if shutil.which(program) is None:
                pytest.skip(f"needs {program} (Debian: apt-get install iproute2)")
        if os.geteuid() != 0:
            pytest.skip("needs root, for networks that can be cut")
        try:
            run("ip", "link", "add", self._name, "type", "bridge")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network can be made here: {error.stderr.strip()}")
        run("ip", "address", "add", f"{self.address}/24", "dev", self._name)
        run("ip", "link", "set", self._name, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for site in self._sites:
            site.remove()
        run("ip", "link", "delete", self._name)

    def site(self) -> Site:
        """Another place, plugged in."""
        number = len(self._sites) + 2
        made = Site(f"{self._name}-{number}", f"{self._name}p{number}", f"{self._net}.{number}", self._name)
        self._sites.append(made)
        return made


class Site:
    """A place with a network of its own.

    Args:
        name: Of the namespace.
        port: Of the end of the cable that is plugged into the switch; the other end is called `cable`.
        address: Of this place.
        switch: What it is plugged into.
    """

    def __init__(self, name: str, port: str, address: str, switch: str) -> None:
        self._name, self._port, self.address = name, port, address
        try:
            run("ip", "netns", "add", name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network can be made here: {error.stderr.strip()}")
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "cable", "netns", name)
        run("ip", "link", "set", port, "master", switch)
        run("ip", "-netns", name, "link", "set", "lo", "up")
        run("ip", "-netns", name, "address", "add", f"{address}/24", "dev", "cable")
        run("ip", "-netns", name, "link", "set", "cable", "up")
        self.plug()

    def unplug(self) -> None:
        """Cut this place off: what is sent from now on is lost, and nobody is told."""
        run("ip", "link", "set", self._port, "down")

    def plug(self) -> None:
        """Let it be reached, and reach others, again."""
        run("ip", "link", "set", self._port, "up")

    def narrow(self, rate: str) -> None:
        """Let no more than `rate` through, each way; skips the test where the kernel cannot."""
        shape = ("root", "tbf", "rate", rate, "burst", "3000", "latency", "2s")
        try:
            run("tc", "qdisc", "add", "dev", self._port, *shape)
            run("tc", "-netns", self._name, "qdisc", "add", "dev", "cable", *shape)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no line can be narrowed here: {error.stderr.strip()}")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be there for the length of the block: sockets, processes and threads of this thread are made there."""
        with Path("/proc/thread-self/ns/net").open() as home, Path("/run/netns", self._name).open() as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def remove(self) -> None:
        """Take it away; processes that are still there keep what they have, cut off."""
        run("ip", "link", "delete", self._port)
        run("ip", "netns", "delete", self._name)


def run(*command: str) -> None:
    """Carry out a command that is to succeed."""
    subprocess.run(command, check=True, capture_output=True, text=True)


_libc = ctypes.CDLL(None, use_errno=True)

_NETWORK = 0x40000000
"""CLONE_NEWNET."""


def _enter(namespace: int) -> None:
    """Move this thread into a network namespace; `os.setns` came with Python 3.12."""
    if _libc.setns(namespace, _NETWORK) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
