"""A tour in tmux on a live demo: every view is opened, every key pressed, at every kind of size, and nothing breaks."""

from __future__ import annotations

import os
import time

import pytest

from taskconsole.console import actions
from taskconsole.console.views.catalogue import VIEWS
from taskconsole.demo.stage import Stage
from tests.proofs.live import bytes_of
from tests.proofs.tmux import TMUX, InTmux
from tests.proofs.tour import ESCAPE, LEAVING, Tour, everywhere, offered

FULL = os.environ.get("TASKCONSOLE_TEST_FULL") == "1"

SIZES = [(80, 24), *([(160, 45), (60, 15)] if FULL else [])]

pytestmark = [pytest.mark.pty, pytest.mark.skipif(TMUX is None, reason="needs tmux")]


@pytest.fixture(scope="module")
def demo():
    with Stage(speed=2.0) as stage:
        yield stage.url


@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
def test_every_key_of_every_view_at_every_size(demo, size, tmp_path):
    with InTmux(demo, size=size, home=tmp_path) as tmux:
        tmux.until("LIVE")
        for after in ("", "\r", "y") if FULL else ("",):
            tour = Tour(tmux, "mail", slowly=FULL, after=after)
            began = time.monotonic()
            tour.all()
            print(f"{'x'.join(map(str, size))}: {len(tour.pressed)} keys in {time.monotonic() - began:.1f} s")
        tmux.press(":queues\r")
        tmux.rest()
        tmux.press("q")
        tmux.until("ended with 0", alive=False)


def test_at_a_size_that_shows_one_line_no_key_acts(demo, tmp_path):
    keys = {key for view in VIEWS for action in (*offered(view), *everywhere()) for key in action.key.split(",")}
    keys -= {key for action in actions.UNSEEN for key in action.key.split(",")}
    with InTmux(demo, size=(40, 10), home=tmp_path) as tmux:
        tmux.until("only ? ^R q ^C")
        for after in ("", "\r", "y"):
            tmux.press("".join(f"{bytes_of(key)}{after}" for key in sorted(keys)))
        # The help tells that all keys before it have been read.
        tmux.press("?")
        tmux.until(actions.GROUPS[VIEWS["queues"].GROUPS[0]][0].tooltip[:18])
        tmux.press(ESCAPE)
        tmux.until("only ? ^R q ^C")
        tmux.resize(80, 24)
        tmux.until("1 Queues")
        tmux.press(":z1\r")
        tmux.answers("z1")
        assert "* " not in tmux.text, "a row is marked"
        assert tmux.text.count("z1") == 1
        tmux.press("q")
        tmux.until("ended with 0", alive=False)


def test_suspending_and_coming_back(demo, tmp_path):
    with InTmux(demo, size=(80, 24), home=tmp_path) as tmux:
        tmux.until("LIVE")
        tmux.press("\x1a")
        tmux.until("ended with 147", alive=False)
        tmux.press("fg\r")
        tmux.until("1 Queues", alive=False)
        tmux.press(":z1\r")
        tmux.answers("z1")
        tmux.press("\x03")
        tmux.until("bash", alive=False)


def test_the_tour_leaves_no_key_out():
    pressed = {action.id for view in VIEWS for action in offered(view)} | {action.id for action in everywhere()}
    every = {action.id for group in actions.GROUPS.values() for action in group}

    assert every - pressed == set()
    assert {"app.quit", "app.end", "app.suspend"} == LEAVING
