"""Draw the console's views as SVG, and as PNG where cairosvg is installed, from a running console.

    python screenshots/make.py redis://localhost:6379/0      from that Redis
    python screenshots/make.py                               from scripted figures
    python -m screenshots.make --incident                    the incident of the README, on a Redis of its own
    python screenshots/make.py --replay FILE                 the first change of a recording, as `replay-80x24.svg`

Writes `queues-80x24.svg`, `queues-160x45.svg` and the like beside itself, or into the directory of `--to`; a live
system, such as `taskconsole demo`, is worth more than the script.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import importlib
import itertools
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskconsole.console.app import Console
from taskconsole.console.place import Place
from taskconsole.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = ((80, 24), (160, 45))

PLACES = {
    "queues": Place(),
    "tasks": Place(view="tasks", queue="billing", state=State.DEAD),
    "delayed": Place(view="delayed"),
    "schedules": Place(view="schedules"),
    "failures": Place(view="failures"),
    "workers": Place(view="workers"),
    "events": Place(view="events"),
    "redis": Place(view="redis"),
}

CELL = 12.2
"""Width of a terminal cell in the picture, as Rich lays it out."""


async def draw(connect: Callable[[], Any], address: str, size: tuple[int, int], watch: float, place: Place) -> str:
    """Run a console for `watch` seconds of live readings and return the picture of one place."""
    app = Console(connect, address=address, start=place)
    async with app.run_test(size=size) as pilot:
        deadline = time.monotonic() + 10
        while app.desk.view.link.overview is None and time.monotonic() < deadline:
            await pilot.pause(0.1)
        # Rates, trends and events need a while of readings before they say anything.
        await pilot.pause(watch)
        return app.export_screenshot(title="Taskconsole")


async def draw_replay(file: Path, size: tuple[int, int]) -> str:
    """The picture of a recording where a verdict or the link changed first."""
    recording = importlib.import_module("taskconsole.backends.recording.reader").Recording(file)
    backend = importlib.import_module("taskconsole.backends.recording.replay").ReplayBackend(recording)
    app = importlib.import_module("taskconsole.console.replay.app").ReplayConsole(backend)
    async with app.run_test(size=size) as pilot:
        await pilot.press("full_stop", "right_parenthesis", "l", "l")
        # What was said gives way to the bar.
        await pilot.pause(7)
        return app.export_screenshot(title="Taskconsole")


def without_fonts_from_elsewhere(svg: str) -> str:
    """The same picture with the reader's own monospace font: a README is also read offline."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    return svg.replace(
        "font-family: Fira Code, monospace", "font-family: 'DejaVu Sans Mono', Menlo, Consolas, monospace"
    )


def words_in_their_places(svg: str) -> str:
    """The same picture with each word placed by itself: a font of another width cannot move columns apart."""

    def split(match: re.Match[str]) -> str:
        head, x, middle, text = match[1], float(match[2]), match[3], match[4]
        words = re.finditer(r"[^ ]+", html.unescape(text).replace("\xa0", " "))
        return "".join(
            f'{head}x="{x + word.start() * CELL:.1f}"{middle}textLength="{len(word[0]) * CELL:.1f}"'
            f">{html.escape(word[0])}</text>"
            for word in words
        )

    svg = re.sub(r' clip-path="url\(#[^)]*line-\d+\)"', "", svg)
    return re.sub(r'(<text class="[^"]*" )x="([\d.]+)"( y="[\d.]+" )textLength="[\d.]+">([^<]*)</text>', split, svg)


def write_png(svg: str, path: Path, width: int) -> bool:
    """Write the picture as PNG; False when cairosvg is not installed."""
    try:
        cairosvg = importlib.import_module("cairosvg")
    except ImportError:
        return False
    cairosvg.svg2png(svg.encode(), write_to=str(path), output_width=width)
    return True


def write(svg: str, path: Path, width: int) -> None:
    """Write a picture of a terminal of so many cells as SVG and PNG, and name the files."""
    svg = words_in_their_places(without_fonts_from_elsewhere(svg))
    path.write_text(svg)
    sys.stdout.write(f"{path}\n")
    if write_png(svg, path.with_suffix(".png"), width=1200 if width < 100 else 1800):
        sys.stdout.write(f"{path.with_suffix('.png')}\n")


def backend_at(url: str) -> tuple[Callable[[], Any], str]:
    """How to connect to a Redis, and its address without a password."""
    native = importlib.import_module("taskconsole.backends.native")
    settings = importlib.import_module("taskconsole.config").Settings(url=url)
    return (lambda: native.NativeBackend(settings)), settings.address


def scripted() -> tuple[Callable[[], Any], str]:
    """The five queues of the test suite, with a few events."""
    fake = importlib.import_module("tests.console.fake_backend")

    def connect() -> Any:
        backend = fake.FakeBackend()
        backend.publish(*fake.usual_events(time.time()))
        return backend

    return connect, fake.FakeBackend.address


def main() -> None:
    """Write the pictures and name them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", help="Redis to show; scripted figures without one")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent, help="directory to write to")
    parser.add_argument("--watch", type=float, default=4.0, help="seconds of readings before the picture")
    parser.add_argument("--replay", type=Path, help="a recording to show instead")
    parser.add_argument("--incident", action="store_true", help="the README's incident instead, on a Redis of its own")
    chosen = parser.parse_args()
    if chosen.incident:
        for name, svg in importlib.import_module("screenshots.incident").incident():
            write(svg, chosen.to / f"{name}.svg", 80)
        return
    if chosen.replay:
        for width, height in SIZES:
            svg = asyncio.run(draw_replay(chosen.replay, (width, height)))
            write(svg, chosen.to / f"replay-{width}x{height}.svg", width)
        return
    connect, address = backend_at(chosen.url) if chosen.url else scripted()
    for (width, height), (name, place) in itertools.product(SIZES, PLACES.items()):
        svg = asyncio.run(draw(connect, address, (width, height), chosen.watch, place))
        write(svg, chosen.to / f"{name}-{width}x{height}.svg", width)


if __name__ == "__main__":
    main()
