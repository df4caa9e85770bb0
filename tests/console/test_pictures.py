"""The views as they look: every character, and what each is meant to be (quiet, bad, selected …).

The pictures are files in `pictures/`. After a change that is meant to be seen, draw them anew, look at the
difference, and commit it:

    TASKCONSOLE_DRAW=1 pytest tests/console/test_pictures.py && git diff tests/console/pictures
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from taskconsole.console.text.lines import Tone
from taskconsole.console.views.view import View
from tests.console.screens import running, until, until_shown
from tests.console.still_life import NOW, PLACES, StillLife

PICTURES = Path(__file__).parent / "pictures"

SHOWN = {
    "queues": "mail-2",
    "tasks": "try 2",
    "delayed": "OVERDUE",
    "schedules": "nightly_bill",
    "workers": "1m02s",
    "failures": "newest",
    "events": "send_sms",
    "redis": "maxmemory_policy",
}
"""What is there when all of a view is."""

SMALL, LARGE = (80, 24), (160, 45)


def picture_of(app):
    """The lines of the screen, then the runs of each that are not plain: `row column+cells tone`."""
    screen = app.screen
    update = screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    tones = {_look(app.desk.header_line._style(tone)): tone for tone in Tone}
    lines, runs = [], []
    for y, strips in enumerate(update.strips):
        lines.append("".join(strip.text for strip in strips).rstrip())
        x = 0
        for segment in (segment for strip in strips for segment in strip):
            tone = tones.get(_look(segment.style), "other")
            # Blanks look the same in most tones.
            if tone is Tone.SELECTED or (segment.text.strip() and tone is not Tone.PLAIN):
                runs.append(f"{y} {x}+{segment.cell_length} {tone}")
            x += segment.cell_length
    return "\n".join([*lines, "", *runs, ""])


def _look(style):
    return style.color, bool(style.bold), bool(style.reverse)


@pytest.mark.parametrize(
    ("view", "size"), [*((view, SMALL) for view in PLACES), ("queues", LARGE), ("tasks", LARGE)], ids=str
)
async def test_a_view_looks_as_it_did(view, size, monkeypatch):
    monkeypatch.setattr(View, "now", property(lambda _view: NOW))
    async with running(StillLife(), size=size, start=PLACES[view], context="prod-eu") as pilot:
        wanted = SHOWN[view] if view != "queues" or size == LARGE else "send_sms"
        await until_shown(pilot.app, wanted)
        await until_shown(pilot.app, "LIVE 1s")
        if view == "queues":
            await until_shown(pilot.app, "GAP")
        await until(lambda: "reading" not in picture_of(pilot.app))
        picture = picture_of(pilot.app)
    file = PICTURES / f"{view}-{size[0]}x{size[1]}.txt"
    if os.environ.get("TASKCONSOLE_DRAW"):
        file.write_text(picture)
    assert picture.splitlines() == file.read_text().splitlines()
