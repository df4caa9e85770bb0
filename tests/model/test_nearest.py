"""What somebody may have meant."""

from __future__ import annotations

import pytest

from taskconsole.model.nearest import did_you_mean


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("quees", ["queues", "tasks"], ": did you mean 'queues'?"),
        ("QUEUS", ["Queues"], ": did you mean 'Queues'?"),
        ("zebra", ["queues", "tasks"], ""),
        ("", ["queues"], ""),
        ("queues", [], ""),
        ("mai\x1b[2J", ["mai\x1b[2J!"], ": did you mean 'mai\\x1b[2J!'?"),
    ],
)
def test_the_nearest_word_is_offered(word, known, expected):
    assert did_you_mean(word, known) == expected


def test_it_takes_no_time_for_what_is_no_word():
    assert did_you_mean("x" * 101, ["x" * 100]) == ""
    assert did_you_mean("mail", (f"{'y' * 90}{i}" for i in range(10**9))) == ""
