"""What was typed before."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from taskconsole.console.typed.history import LONGEST, MOST, History, history_path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "taskconsole" / "history"


def history(*lines, path=None):
    made = History(path)
    for line in lines:
        made.add(line)
    return made


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/taskconsole/history"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/taskconsole/history"),
        ({"HOME": "/h"}, "/h/.local/state/taskconsole/history"),
        ({"HOME": ""}, None),
        ({}, None),
    ],
)
def test_where_it_is(environ, expected):
    assert history_path(environ) == (Path(expected) if expected else None)


def test_lines_are_there_the_next_time_and_for_nobody_else(path):
    history(":tasks mail", ":q", path=path)
    again = history(":redis", path=path)
    assert again.lines == (":tasks mail", ":q", ":redis")
    assert History(path).lines == again.lines
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert again.trouble == ""


def test_leafing_ends_where_it_began():
    found = history(":one", ":two")
    assert [found.older(":typ"), found.older(":two"), found.older(":one")] == [":two", ":one", ":one"]
    assert [found.newer(":one"), found.newer(":two"), found.newer(":typ")] == [":two", ":typ", ":typ"]
    assert found.older(":typ2") == ":two"
    found.add(":three")
    assert found.older("") == ":three"


def test_without_lines_leafing_changes_nothing():
    found = History()
    assert found.older("typed") == "typed"
    assert found.newer("typed") == "typed"


def test_the_same_line_twice_and_an_empty_one_are_kept_once(path):
    found = history(":a", ":a", " :a ", "", "  ", ":b", ":a", path=path)
    assert found.lines == (":a", ":b", ":a")
    assert path.read_text() == ":a\n:b\n:a\n"


@pytest.mark.parametrize(
    "line",
    [
        ":find redis://:S3cr3t@h",
        ":find rediss://u:pa/ss@h/0",
        ":find unix:///s?password=S3cr3t",
        ":find PASSWORD = S3cr3t",
        ':find "token": "x" api_key=3',
        ":two\nlines",
        ":esc\x1b[2J",
        ":" + "x" * LONGEST,
    ],
)
def test_secrets_and_garbage_are_not_kept(path, line):
    assert history(line, path=path).lines == ()
    assert not path.exists()
    path.parent.mkdir(parents=True)
    path.write_text(f":a\n{line}\n", encoding="utf-8")
    assert line not in History(path).lines


def test_a_url_without_a_user_is_kept():
    assert history(":find https://example.com/a").lines == (":find https://example.com/a",)


def test_it_has_an_end(path):
    assert history(*(f":{i}" for i in range(MOST + 10))).lines == tuple(f":{i}" for i in range(10, MOST + 10))

    path.parent.mkdir(parents=True)
    path.write_text("".join(f":{i}\n" for i in range(3 * MOST)))
    assert History(path).lines == tuple(f":{i}" for i in range(2 * MOST, 3 * MOST))
    assert path.read_text().count("\n") == MOST
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_consoles_keep_each_others_lines(path):
    one, two = History(path), History(path)
    one.add(":one")
    two.add(":two")
    assert History(path).lines == (":one", ":two")


def test_a_file_of_garbage_is_no_trouble(path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xfe\x00\n:ok\n" + b"\x9b31m\n" * 10)
    assert [line for line in History(path).lines if line.startswith(":")] == [":ok"]
    assert all(line.isprintable() for line in History(path).lines)


def test_a_link_in_its_place_is_left_alone_and_the_session_has_its_own(path, tmp_path):
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere")
    found = history(":a", ":b", path=path)
    assert found.lines == (":a", ":b")
    assert found.trouble
    assert not (tmp_path / "elsewhere").exists()


def test_a_place_that_cannot_be_made_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    found = history(":a", path=tmp_path / "file" / "history")
    assert found.lines == (":a",)
    assert found.trouble
