"""The tasks of a queue: windows of lists of any length, states, filters, marks, and one task in full."""

from __future__ import annotations

from taskconsole.console.place import Place
from taskconsole.errors import StoreError, StoreUnavailable
from taskconsole.model.detail import Attempt, Moment, TaskDetail
from taskconsole.model.state import State
from tests.console.fake_backend import FakeBackend, queue
from tests.console.hostile_texts import HOSTILE
from tests.console.screens import lines_of, running, text_of, until, until_shown

MILLION = 1_000_000


def backend_with(**counts):
    backend = FakeBackend([queue("mail", pending=counts.get("pending", 0), workers=1), queue("other", pending=3)])
    backend.task_counts = {("mail", State(state)): n for state, n in counts.items()}
    return backend


def tasks(backend, state=State.PENDING, **options):
    return running(backend, start=Place(view="tasks", queue="mail", state=state), **options)


async def test_a_million_tasks_are_shown_a_window_at_a_time():
    backend = backend_with(pending=MILLION)
    async with tasks(backend) as pilot:
        await until_shown(pilot.app, "id-00000000"[-12:])
        assert "mail   [ PENDING 1.00M | active 0" in text_of(pilot.app)
        await pilot.press("G")
        await until_shown(pilot.app, "id-00999999")
        grid = pilot.app.desk.view.grid
        assert (grid.cursor, grid.total) == (MILLION - 1, MILLION)
        assert len(grid.rows) <= 100
        await pilot.press("g")
        await until_shown(pilot.app, "id-00000000")
    assert max(limit for *_, limit in backend.asked) == 100
    # A few windows, not one per row.
    assert len({offset for _, _, offset, _ in backend.asked}) <= 4


async def test_moving_row_by_row_through_the_end_of_a_window_loads_the_next():
    backend = backend_with(pending=500)
    async with tasks(backend) as pilot:
        await until_shown(pilot.app, "id-00000000")
        for _ in range(12):
            await pilot.press("pagedown")
            await until(lambda: pilot.app.desk.view.grid.selected is not None)
        view = pilot.app.desk.view
        assert view.grid.selected.id == f"id-{view.grid.cursor:08d}"
        assert view.grid.cursor > 100


async def test_the_cursor_stays_on_its_task_when_the_list_moves():
    backend = backend_with(pending=50)
    async with tasks(backend) as pilot:
        await until_shown(pilot.app, "id-00000000")
        await pilot.press(*"jjjjj")
        assert pilot.app.desk.view.grid.selected.id == "id-00000005"
        before = backend.task_at
        backend.task_at = lambda queue, state, i: before(queue, state, i + 2)
        await pilot.press("ctrl+r")
        await until(lambda: pilot.app.desk.view.grid.cursor == 3)
        assert pilot.app.desk.view.grid.selected.id == "id-00000005"


async def test_brackets_change_the_state_and_braces_the_queue():
    backend = backend_with(pending=3, dead=2, done=4)
    async with tasks(backend) as pilot:
        await until_shown(pilot.app, "WAITED")
        await pilot.press("right_square_bracket")
        await until_shown(pilot.app, "no task is active")
        await pilot.press("right_square_bracket", "right_square_bracket")
        await until_shown(pilot.app, "TimeoutError")
        assert "| DEAD" in text_of(pilot.app)
        assert "DIED" in text_of(pilot.app)
        await pilot.press("left_square_bracket", "left_square_bracket", "left_square_bracket")
        await until_shown(pilot.app, "PENDING 3")
        await pilot.press("right_curly_bracket")
        await until_shown(pilot.app, "other   [ PENDING 3")


async def test_a_filter_looks_at_what_is_loaded_and_says_so():
    async with tasks(backend_with(pending=MILLION)) as pilot:
        await until_shown(pilot.app, "id-00000000")
        await pilot.press("slash", *"send_1", "enter")
        await until_shown(pilot.app, "filter send_1: 167 of 500 loaded of 1.00M")
        assert "send_2" not in text_of(pilot.app)
        await pilot.press("escape")
        await until_shown(pilot.app, "send_2")
        # The cursor is still on its row, and n looks for what was filtered last.
        assert pilot.app.desk.view.grid.cursor == 1
        await pilot.press("n")
        await until(lambda: pilot.app.desk.view.grid.cursor == 4)
        await pilot.press("N")
        await until(lambda: pilot.app.desk.view.grid.cursor == 1)


async def test_marks_stay_on_their_tasks_and_are_counted():
    async with tasks(backend_with(pending=30)) as pilot:
        await until_shown(pilot.app, "id-00000000")
        await pilot.press("space", "space", "j", "j", "v")
        await until_shown(pilot.app, "5 marked")
        await pilot.press("slash", *"send_2", "enter")
        await until_shown(pilot.app, "5 marked (4 not in sight)")
        await pilot.press("escape")
        await pilot.press("escape")
        await until(lambda: "marked" not in text_of(pilot.app))


async def test_a_task_in_full_and_back_to_the_same_row():
    backend = backend_with(dead=9)
    row = backend.task_at("mail", State.DEAD, 4)
    backend.details[row.id] = TaskDetail(
        row=row,
        payload=b'{"task":"send_1","password":"hunter2","kwargs":{"a":[1,{"b":2}]}}',
        timeline=(Moment(at=1.79e9, what="enqueued"), Moment(at=1.79e9 + 5, what="died", text="gave up")),
        attempts=(Attempt(number=5, at=1.79e9, seconds=0.3, worker="w-1", error="KeyError: 'x'", traceback="a\nb"),),
    )
    async with tasks(backend, State.DEAD, size=(100, 50)) as pilot:
        await until_shown(pilot.app, "id-00000000")
        await pilot.press(*"jjjj", "enter")
        await until_shown(pilot.app, "attempt 5   ended")
        shown = text_of(pilot.app)
        for text in ("tasks > mail > dead > id-00000004", '"a": [', '"password": "***"', "died", "gave up", "KeyError"):
            assert text in shown, text
        assert "hunter2" not in shown
        await pilot.press("slash", *"gave", "enter")
        await until(lambda: pilot.app.desk.view.pager._found >= 0)
        await pilot.press("escape", "escape")
        await until_shown(pilot.app, "[ pending 0")
        assert pilot.app.desk.view.grid.cursor == 4


async def test_a_task_that_is_gone_stays_as_it_was_seen_last():
    async with tasks(backend_with(pending=2)) as pilot:
        await until_shown(pilot.app, "id-00000000")
        await pilot.press("enter")
        await until_shown(pilot.app, "not pending any more; as it was seen last")
        await until_shown(pilot.app, '"id": "id-00000000"')


async def test_a_refused_question_keeps_the_rows_and_says_why():
    backend = backend_with(pending=5)
    async with tasks(backend) as pilot:
        await until_shown(pilot.app, "id-00000004")
        backend.look_failure = StoreError("NOPERM \x1b]0;x\x07 no LRANGE")
        await until_shown(pilot.app, "NOPERM ␛]0;x␇ no LRANGE")
        assert "id-00000004" in text_of(pilot.app)
        backend.look_failure = StoreUnavailable("timed out")
        await until_shown(pilot.app, "timed out")
        backend.look_failure = None
        await until(lambda: "timed out" not in text_of(pilot.app))


async def test_equal_payloads_are_rows_of_their_own():
    backend = backend_with(pending=4)
    backend.task_at = lambda queue, state, i: FakeBackend.task_at(backend, queue, state, 7)
    async with tasks(backend) as pilot:
        await until_shown(pilot.app, "id-00000007")
        await pilot.press("j", "j", "space")
        assert pilot.app.desk.view.grid.cursor == 3
        read = len(backend.asked)
        await until(lambda: len(backend.asked) > read + 1)
        assert pilot.app.desk.view.grid.cursor == 3, "another reading has other rows for the same tasks"
        assert len(pilot.app.desk.view.grid.marks) == 1
        assert sum(line.startswith(" *") for line in lines_of(pilot.app)) == 1


async def test_hostile_texts_are_text():
    backend = backend_with(dead=len(HOSTILE))

    def hostile(queue, state, i):
        row = FakeBackend.task_at(FakeBackend(), queue, state, i)
        text = HOSTILE[i]
        payload = text.encode("utf-8", "surrogatepass")
        return type(row)(
            queue=queue, state=state, name=text, id=text or None, args=text, error=text, worker=text, payload=payload
        )

    backend.task_at = hostile
    async with tasks(backend, State.DEAD, size=(160, 50)) as pilot:
        await until(lambda: pilot.app.desk.view.grid.total == len(HOSTILE))
        for _ in HOSTILE:
            assert all(line.isprintable() for line in lines_of(pilot.app))
            await pilot.press("enter")
            await until(lambda: pilot.app.desk.view.NAME == "task")
            await pilot.pause()
            assert all(line.isprintable() for line in lines_of(pilot.app))
            await pilot.press("q", "j")
            await until(lambda: pilot.app.desk.view.NAME == "tasks")
        assert not pilot.app._exit
