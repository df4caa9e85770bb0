"""What is typed into the form of a schedule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from taskconsole.console.typed.entry import EntryError
from taskconsole.console.typed.schedule_entry import ScheduleEntry, parse_schedule
from taskconsole.model.secrecy import USUAL

ENTRY = ScheduleEntry(name="nightly", queue="mail", when="every 5m", task="login", kwargs='{"password": "hunter2"}')


@pytest.mark.parametrize("before", [None, ENTRY])
def test_what_hides_a_secret_is_not_written_in_its_place(before):
    hidden = replace(ENTRY, kwargs='{"password": "***"}')
    with pytest.raises(EntryError, match="stands in the place of a secret"):
        parse_schedule(hidden, before, "ada", USUAL)
    # Elsewhere it is a text like others.
    assert parse_schedule(replace(ENTRY, kwargs='{"word": "***"}'), before, "ada", USUAL).by == "ada"
