"""Every action with a person at the keys, and every state that it can meet on its way."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from taskconsole.backends import commands
from taskconsole.backends.base import Applied
from taskconsole.console.dialogs.confirm import Confirm
from taskconsole.console.dialogs.form import Form
from taskconsole.console.dialogs.line import LineDialog
from taskconsole.console.feed.link import Phase
from taskconsole.console.place import Place
from taskconsole.errors import StoreError, StoreUnavailable
from taskconsole.model.definition import decode_definition
from taskconsole.model.failure import FailureGroup, Failures
from taskconsole.model.schedule_info import ScheduleInfo
from taskconsole.model.state import State
from taskconsole.model.stats import WorkerInfo
from tests.console.fake_backend import FakeBackend, queue
from tests.console.screens import running, text_of, until, until_shown


def full(**more):
    """A backend with something in every view."""
    backend = FakeBackend(
        [queue("mail", pending=5, dead=5, delayed=5, workers=1), queue("other", pending=3, workers=1)]
    )
    backend.task_counts = {("mail", state): 5 for state in State} | {("", State.DELAYED): 5}
    raw = b'{"every":"5m","task":"poll"}'
    backend.schedule_infos = [
        ScheduleInfo(
            name="tick", queue="mail", definition=decode_definition(raw), raw=raw, next_at=backend.clock() + 60
        )
    ]
    backend.worker_infos = [
        WorkerInfo(id="w-1", queue="mail", lease_until=backend.clock() + 600, concurrency=4, host="h", pid=7)
    ]
    dead = backend.task_at("mail", State.DEAD, 0)
    group = FailureGroup(queue="mail", task="send_0", exception="TimeoutError", message="x", dead=120, sample=dead)
    backend.failures_found = Failures(groups=(group,), looked=120, total=120)
    for name, value in more.items():
        setattr(backend, name, value)
    return backend


@dataclass(frozen=True)
class Case:
    """One action: where, which keys begin it, which agree to it, and the command that it is."""

    name: str
    place: Place
    keys: list
    kind: type
    agree: list = field(default_factory=list)
    """Empty: it is done without a question."""
    form: list = field(default_factory=list)
    """What is typed into the form before."""


def tasks(state):
    return Place(view="tasks", queue="mail", state=state)


PENDING, DELAYED, DEAD, ACTIVE = tasks(State.PENDING), tasks(State.DELAYED), tasks(State.DEAD), tasks(State.ACTIVE)
MAIL = [*"mail", "enter"]
Y = ["y"]

CASES = [
    Case("pause", Place(), ["p"], commands.PauseQueue),
    Case("purge", Place(), ["P"], commands.Purge, MAIL),
    Case("enqueue", Place(), ["e"], commands.Enqueue, form=[*"send", "enter"]),
    Case("pause in tasks", PENDING, ["p"], commands.PauseQueue),
    Case("purge in tasks", DEAD, ["P"], commands.Purge, MAIL),
    Case("retry", DEAD, ["r"], commands.RetryTasks),
    Case("run now", DEAD, ["x"], commands.RunTasks),
    Case("reschedule", DELAYED, ["s"], commands.RescheduleTasks, form=[*"+10m", "enter"]),
    Case("delete", PENDING, ["d"], commands.DeleteTasks, Y),
    Case("delete all", PENDING, ["D"], commands.Purge, MAIL),
    Case("move", DELAYED, ["M"], commands.MoveTasks, form=[*"other", "enter"]),
    Case("clone", DEAD, ["c"], commands.Enqueue, form=["enter"]),
    Case("abort", ACTIVE, ["K"], commands.AbortTask, Y),
    Case("retry delayed", Place(view="delayed"), ["r"], commands.RetryTasks),
    Case("delete delayed", Place(view="delayed"), ["d"], commands.DeleteTasks, Y),
    Case("retry a group", Place(view="failures"), ["r"], commands.RetryTasks, Y),
    Case("delete a group", Place(view="failures"), ["d"], commands.DeleteTasks, [*"120", "enter"]),
    Case("trigger", Place(view="schedules"), ["t"], commands.TriggerSchedule, Y),
    Case("pause a schedule", Place(view="schedules"), ["p"], commands.PauseSchedule),
    Case("remove a schedule", Place(view="schedules"), ["d"], commands.RemoveSchedule, Y),
    Case("restore a schedule", Place(view="schedules"), ["u"], commands.RestoreSchedule, Y),
    Case("edit a schedule", Place(view="schedules"), ["e"], commands.EditSchedule, form=[*"0", "enter"]),
    Case("quiet", Place(view="workers"), ["Q"], commands.SignalWorker, Y),
    Case("stop", Place(view="workers"), ["K"], commands.SignalWorker, MAIL),
]


class Operator:
    """Presses keys as a person does: each dialog is waited for."""

    def __init__(self, pilot, case):
        self.pilot, self.app, self.case = pilot, pilot.app, case

    @property
    def backend(self):
        return self.app.backend

    async def ready(self):
        """Rows are there, nothing is asked."""
        await until(lambda: self.app.screen is self.app.desk)
        grid = self.app.desk.view.grid
        await until(lambda: grid.selected is not None)

    async def begin(self):
        """Up to the question, if there is one."""
        await self.ready()
        await self.pilot.press(*self.case.keys)
        if self.case.form:
            await until(lambda: isinstance(self.app.screen, Form | LineDialog), what=f"form of {self.case.name}")
            await self.pilot.pause()
            if self.case.name == "edit a schedule":
                self.app.screen._texts["when"].value = "every 1"
            await self.pilot.press(*self.case.form)
        if self.case.agree:
            await until(lambda: isinstance(self.app.screen, Confirm | LineDialog), what=text_of(self.app))
            await self.pilot.pause()

    async def agree(self):
        if self.case.agree:
            await self.pilot.press(*self.case.agree)
        await until(lambda: self.app.screen is self.app.desk)

    async def whole(self):
        await self.begin()
        await self.agree()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_an_action_and_all_it_can_meet(case):
    async with running(full(), start=case.place) as pilot:
        operator, backend, app = Operator(pilot, case), pilot.app.backend, pilot.app

        # It does one thing, and says so.
        await operator.whole()
        await until(lambda: len(backend.applied) == 1, what=case.name)
        assert isinstance(backend.applied[0], case.kind)
        await until(lambda: not app.desk.hands.flow._under_way)
        backend.applied.clear()

        # What was there has gone or changed meanwhile: the answer says so, nothing is repeated.
        backend.answers = [Applied(text="it has gone meanwhile", changed=False, done=0, missed=1)]
        await operator.whole()
        await until_shown(app, "it has gone meanwhile")
        assert len(backend.applied) == 1
        backend.applied.clear()

        # No is Enter, Escape and n; nothing is sent.
        if case.agree:
            await operator.begin()
            await pilot.press("escape" if isinstance(app.screen, LineDialog) else "enter")
            await until_shown(app, "nothing was done")
            assert backend.applied == []

        # The reply is lost: nobody knows, and it is said.
        backend.answers = [StoreUnavailable("no answer from Redis")]
        await operator.whole()
        await until_shown(app, "whether it was done is not known")
        assert len(backend.applied) == 1
        backend.applied.clear()

        # Refused.
        backend.answers = [StoreError("the queue is of another kind")]
        await operator.whole()
        await until_shown(app, "refused: the queue is of another kind")
        backend.applied.clear()

        # The connection is lost between the question and the answer: nothing is sent.
        await operator.begin() if case.agree else await operator.ready()
        backend.failure = StoreUnavailable("gone")
        app.feed.wake()
        await until(lambda: app.feed.take_link().phase is Phase.DISCONNECTED)
        await (operator.agree() if case.agree else operator.whole())
        await until_shown(app, "not connected: nothing was sent")
        assert backend.applied == []
