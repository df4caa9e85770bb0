"""Running the command line in this process, and looking at what it said."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from taskconsole.cli.root import call
from tests.servers import ROOT

Cli = Callable[..., "Ran"]


class Ran(NamedTuple):
    """One run: its exit code, its data, its narration."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The data as JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The data, line by line."""
        return self.out.splitlines()


@pytest.fixture(autouse=True)
def _the_log_goes_where_it_went() -> Iterator[None]:
    """A `worker` or `scheduler` in this process sends the log to its stderr, which is closed after the test."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], level = before
    root.setLevel(level)


@pytest.fixture
def cli(store_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run one command in this process on an empty Redis."""
    monkeypatch.setenv("TASKCONSOLE_URL", store_url)
    monkeypatch.delenv("REDIS_URL", raising=False)

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = call(arguments)
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def program(store_url: str, tmp_path: Path) -> Cli:
    """Run one command as a process of its own, in an empty directory."""

    def run(*arguments: str, **environment: str) -> Ran:
        ended = subprocess.run(
            [sys.executable, "-m", "taskconsole", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TASKCONSOLE_URL": store_url, **environment},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return run
