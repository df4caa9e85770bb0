"""Which queues in which order, as people write it."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.errors import ConfigError
from taskconsole.worker.options import QueuePlan, WorkerOptions, parse_queues
from taskconsole.worker.runtime import run_worker


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("mail", QueuePlan(("mail",))),
        ("mail,default", QueuePlan(("mail", "default"))),
        (" mail , default ", QueuePlan(("mail", "default"))),
        ("critical:6,default:3,low:1", QueuePlan(("critical", "default", "low"), (6, 3, 1))),
        ("mail:1", QueuePlan(("mail",), (1,))),
        ("app:mail", QueuePlan(("app:mail",))),
        ("app:mail:5,app:other:1", QueuePlan(("app:mail", "app:other"), (5, 1))),
        ("mail:1000,b:1", QueuePlan(("mail", "b"), (1000, 1))),
        ("größe", QueuePlan(("größe",))),
    ],
)
def test_queues_are_read(text, plan):
    assert parse_queues(text) == plan


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "a,",
        "a,,b",
        "a:0",
        "a:1001",
        "a:5,b",
        "a,b:5",
        "a,a",
        "a:1,a:2",
        "{a}",
        "a\x00b",
        "delayed_tasks",
        "mail:delayed",
        "mail_channel",
        "x" * 201,
    ],
)
def test_what_cannot_be_queues_is_refused(text):
    with pytest.raises(ConfigError):
        parse_queues(text)


@given(st.text(max_size=60))
def test_no_text_makes_reading_raise_anything_else(text):
    try:
        plan = parse_queues(text)
    except ConfigError:
        return
    assert len(set(plan.names)) == len(plan.names) >= 1
    assert sorted(plan.order()) == list(range(len(plan.names)))


@given(st.floats(0.5, 86_400))
def test_a_blocking_wait_ends_well_before_the_lease(lease):
    assert WorkerOptions(lease=lease).block <= lease / 3


def test_a_worker_outside_the_main_thread_is_refused_in_words():
    told = []

    def start():
        try:
            run_worker(lambda: pytest.fail("it was made"))
        except ConfigError as error:
            told.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert "only the main thread gets" in told[0]
    assert "`taskconsole --headless worker`" in told[0]
