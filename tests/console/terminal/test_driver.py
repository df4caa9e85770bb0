"""The driver: a terminal that does not keep up gets the last picture, not every one."""

from __future__ import annotations

import os
import subprocess
import sys
from queue import Queue

import pytest

from taskconsole.console.terminal.driver import CalmDriver
from taskconsole.console.terminal.frame import FrameDiff
from tests.console.screens import until


class Writer:
    """Textual's writer thread, as a list; `_queue` is where it keeps what the terminal has not taken."""

    def __init__(self):
        self.written = []
        self._queue = Queue()

    def write(self, text):
        self.written.append(text)


@pytest.fixture
def driver():
    driver = object.__new__(CalmDriver)
    driver._frames, driver._due, driver._writer_thread = FrameDiff(), None, Writer()
    return driver


async def test_frames_that_follow_each_other_at_once_are_one(driver):
    driver.write("\x1b[1;1Hblank")
    driver.write("\x1b[1;1Hhello")
    assert driver._writer_thread.written == []
    await until(lambda: driver._writer_thread.written)
    assert driver._writer_thread.written == ["\x1b[m\x1b[Hhello"]
    assert driver._due is None


async def test_nothing_is_written_while_the_terminal_is_behind(driver):
    driver._writer_thread._queue.put("one")
    driver._writer_thread._queue.put("two")
    for n in range(100):
        driver.write(f"\x1b[1;1H{n:3}")
        driver.catch_up()
    assert driver.behind
    assert driver._writer_thread.written == []
    driver._writer_thread._queue.get()
    driver.catch_up()
    assert driver._writer_thread.written == ["\x1b[m\x1b[H 99"]


async def test_what_is_not_a_frame_is_written_at_once(driver):
    driver.write("\x1b[?25l")
    assert driver._writer_thread.written == ["\x1b[?25l"]


@pytest.mark.parametrize(
    ("term", "erases"), [("xterm-256color", True), ("screen-256color", False), ("unheard-of", False)]
)
def test_whether_erasing_colours_the_background_is_in_the_terminals_description(term, erases):
    # A process asks once.
    asked = "from taskconsole.console.terminal import driver; print(driver._colours_erase())"
    told = subprocess.run(
        [sys.executable, "-c", asked], env={**os.environ, "TERM": term}, capture_output=True, check=True
    )
    assert told.stdout.decode().strip() == str(erases)
