"""A recording in the making, with a clock that is moved by hand."""

from __future__ import annotations

import json
from dataclasses import replace

from taskconsole.backends.recording.backend import recorded
from taskconsole.backends.recording.reader import Recording
from taskconsole.backends.recording.recorder import Recorder
from taskconsole.backends.recording.replay import ReplayBackend
from tests.console.fake_backend import FakeBackend

BEGAN = 1_790_000_000.0


class Appended:
    """A file that is open only while a line is written."""

    def __init__(self, path):
        self._path = path

    def write(self, line):
        with self._path.open("ab") as file:
            file.write(line)

    def close(self):
        pass


class Tape:
    """Records a scripted backend into a file; `after` lets time pass."""

    def __init__(self, path, backend=None):
        self.path = path
        self.now = 0.0
        self.told = []
        self.recorder = Recorder(
            Appended(path), tell=self.told.append, clock=lambda: self.now + 500.0, time_of_day=lambda: BEGAN
        )
        self.scripted = backend or FakeBackend(clock=lambda: BEGAN + self.now)
        self.backend = recorded(lambda: self.scripted, self.recorder)()

    def after(self, seconds):
        self.now += seconds
        return self.backend

    def figures(self, name, **changes):
        """Other figures of one queue from the next reading on."""
        queues = self.scripted.queues
        self.scripted.queues = [replace(q, **changes) if q.name == name else q for q in queues]

    @property
    def lines(self):
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]

    def replayed(self):
        """The file as it stands, as a backend at its end."""
        backend = ReplayBackend(Recording(self.path))
        backend.position = backend.end
        return backend


def at(backend, position):
    backend.position = position
    return backend
