"""A virtual environment for each peer, made once and kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

DISTRIBUTIONS = {
    "rq": ("rq==3.0.0", "redis==8.1.0", "hiredis>=3"),
    "celery": ("celery[redis]==5.7.0", "redis==8.1.0", "hiredis>=3"),
    "arq": ("arq==0.28.0", "hiredis>=3", "uvloop"),
    "saq": ("saq[redis]==0.26.4", "hiredis>=3", "uvloop", "typing-extensions"),
    "huey": ("huey==3.5.4", "redis==8.1.0", "hiredis>=3"),
    "dramatiq": ("dramatiq[redis]==2.2.1", "redis==8.1.0", "hiredis>=3"),
    "taskiq": ("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", "hiredis>=3", "uvloop"),
    "streaq": ("streaq==7.2.0", "uvloop"),
    "docket": ("pydocket==0.27.0", "hiredis>=3", "uvloop"),
    "apscheduler": ("apscheduler==3.11.3", "redis==8.1.0", "hiredis>=3"),
}


class NotInstalledError(Exception):
    """A peer that cannot be installed here, with the reason in one line."""


def environment(peer: str, cache: Path) -> Path:
    """Make the peer's virtual environment under `cache` unless it is there, and return its interpreter.

    Raises NotInstalledError, e.g. without a network.
    """
    wanted = DISTRIBUTIONS[peer]
    mark = hashlib.sha256("\n".join((sys.version, *wanted)).encode()).hexdigest()[:8]
    place = cache / f"{peer}-{mark}"
    python = place / "bin" / "python"
    complete = place / "complete"
    if complete.exists():
        return python
    print(f"making an environment for {peer} in {place} …", flush=True)
    venv.create(place, with_pip=True, clear=True)
    _run(peer, [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
    complete.touch()
    return python


def node(peer: str, packages: tuple[str, ...], cache: Path) -> tuple[Path, Path]:
    """Node's interpreter, and the folder under `cache` with the packages in it.

    Raises NotInstalledError, e.g. without node.
    """
    program, npm = shutil.which("node"), shutil.which("npm")
    if not program or not npm:
        raise NotInstalledError(f"{peer} skipped: no node and npm on PATH")
    place = cache / f"{peer}-{'-'.join(packages).replace('@', '-')}"
    complete = place / "complete"
    if not complete.exists():
        place.mkdir(parents=True, exist_ok=True)
        _run(peer, [npm, "install", "--silent", "--prefix", place, *packages])
        complete.touch()
    return Path(program), place / "node_modules"


def _run(peer: str, command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"{command[0]} failed"])[-1]
        raise NotInstalledError(f"{peer} skipped: {reason}")
