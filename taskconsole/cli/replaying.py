"""`replay`: a recording in the screens it was made of, or in short as text."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import click

from taskconsole.cli.output import as_json, say, write_json, write_line, write_table
from taskconsole.cli.reading import json_option
from taskconsole.cli.target import is_terminal, target_of
from taskconsole.model.phrase import span

if TYPE_CHECKING:
    from taskconsole.backends.recording.replay import ReplayBackend
    from taskconsole.cli.target import Target
    from taskconsole.model.recording import About

__all__ = ["replay"]

QUEUES = 20
"""Names of queues in a summary."""


@click.command(short_help="Show a recording in the same screens.")
@click.argument("file", type=click.Path())
@json_option
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII alone.")
@click.option("--mouse", is_flag=True, help="Take mouse clicks.")
@click.pass_context
def replay(context: click.Context, /, *, file: str, wants_json: bool, ascii_only: bool, mouse: bool) -> int:
    """Show what `taskconsole --record FILE` has written down, at any moment of it.

    Plays at once; `.` holds it, `h` and `l` move by ten seconds, `?` shows all keys. With --json, or where there is
    no terminal, a summary: from when to when, how much, and what was wrong for how long.
    """
    from pathlib import Path

    from taskconsole.backends.recording.reader import Recording
    from taskconsole.backends.recording.replay import ReplayBackend

    with contextlib.closing(Recording(Path(file))) as recording:
        backend = ReplayBackend(recording)
        if wants_json:
            _write_json(backend.about())
            return 0
        if not is_terminal():
            _write_text(backend.about())
            return 0
        return _show(backend, target_of(context), ascii_only=ascii_only, mouse=mouse)


def _show(backend: ReplayBackend, target: Target, *, ascii_only: bool, mouse: bool) -> int:
    from taskconsole.console.actions import GROUPS
    from taskconsole.console.keymap import check_keymap
    from taskconsole.console.look import Look
    from taskconsole.console.replay.app import run_replay
    from taskconsole.console.starting import start_at
    from taskconsole.console.typed.history import history_path

    file = target.file()
    return run_replay(
        backend,
        ascii_only=ascii_only or file.console.ascii,
        mouse=mouse or file.console.mouse,
        theme=file.console.theme,
        start=start_at(target.start),
        keymap=check_keymap(file.keys, ((a.id, a.key) for group in GROUPS.values() for a in group)),
        masked=(*Look().masked, *file.secret_patterns),
        history=history_path(os.environ),
    )


def _write_json(about: About) -> None:
    write_json({**as_json(about), "flaws": about.flaws()})


def _write_text(about: About) -> None:
    from taskconsole.backends.rows import moment_text as moment

    flaws = about.flaws()
    if flaws:
        say(flaws)
    write_line(f"recorded  {moment(about.began)} to {moment(about.ended)}, {span(about.seconds)}")
    write_line(f"server    {', '.join(about.addresses) or 'none was reached'}")
    more = f" and {len(about.queues) - QUEUES:,} more" if len(about.queues) > QUEUES else ""
    write_line(f"queues    {', '.join(about.queues[:QUEUES]) or 'none'}{more}")
    unkept = f", {about.unkept:,} more were too many to be kept" if about.unkept else ""
    write_line(f"holds     {about.readings:,} readings, {about.answers:,} answers, {about.events:,} events{unkept}")
    write_line(f"outages   {about.outages:,}")
    if about.spells:
        write_line()
        rows = [
            (moment(s.came), "to the end" if s.went is None else f"for {span(s.went - s.came)}", s.level, s.text)
            for s in about.spells
        ]
        write_table(("CAME", "STAYED", "LEVEL", "WHAT"), rows)
