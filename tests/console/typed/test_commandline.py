"""The language of the `:` line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.console.saving.export import Kind
from taskconsole.console.typed.commandline import (
    MAX_COMPLETIONS,
    CommandError,
    Export,
    Find,
    GoTo,
    Help,
    Names,
    Quit,
    UseContext,
    View,
    complete,
    format_command,
    parse,
)
from taskconsole.model.state import State
from tests.console.hostile_texts import HOSTILE

NAMES = Names(
    queues=["mail", "mail-eu", "Bills", "two words", "a/b", 'say "x"', "50%", "nul\0\x1b[2J", "漢字"],
    contexts=["prod", "prod eu", "test"],
    tasks=["send_mail", "send sms"],
)
NAME = (
    st.text(max_size=30)
    | st.sampled_from([t for t in HOSTILE if len(t) < 300])
    | st.text(alphabet='a "%/\\:é', max_size=8)
)
QUEUE = st.none() | NAME.filter(bool)
COMMANDS = st.one_of(
    st.builds(GoTo, view=st.just(View.TASKS), queue=QUEUE, state=st.none() | st.sampled_from(State), id=QUEUE),
    st.builds(GoTo, view=st.sampled_from(sorted(set(View) - {View.REDIS, View.DOCTOR, View.WORKERS})), queue=QUEUE),
    st.builds(GoTo, view=st.sampled_from(View)),
    st.builds(Find, NAME.filter(bool)),
    st.builds(UseContext, QUEUE),
    st.builds(Export, st.sampled_from(Kind), QUEUE),
    st.just(Help()),
    st.just(Quit()),
)


def go(view, queue=None, state=None, task=None):
    return GoTo(view=View(view), queue=queue, state=None if state is None else State(state), id=task)


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        (":tasks mail dead", go("tasks", "mail", "dead")),
        (":tasks/mail/dead", go("tasks", "mail", "dead")),
        ("tasks mail", go("tasks", "mail")),
        ("  :TASKS  mail   DEAD  01J ", go("tasks", "mail", "dead", "01J")),
        (":tasks", go("tasks")),
        (":tasks/", go("tasks")),
        (":tasks//dead", go("tasks", None, "dead")),
        (':tasks "" dead', go("tasks", None, "dead")),
        (":tasks/mail dead", go("tasks", "mail", "dead")),
        (":tasks a/b", go("tasks", "a/b")),
        (":tasks/a%2Fb", go("tasks", "a/b")),
        (":tasks/two%20words/done", go("tasks", "two words", "done")),
        (':tasks "two words" done', go("tasks", "two words", "done")),
        (r':tasks "say \"x\" \\ \u001b"', go("tasks", 'say "x" \\ \x1b')),
        (':tasks say"x"', go("tasks", 'say"x"')),
        (":tasks 50%", go("tasks", "50%")),
        (":tasks/50%25", go("tasks", "50%")),
        (":tasks mail/dead", go("tasks", "mail/dead")),
        (":queues", go("queues")),
        (":delayed", go("delayed")),
        (":schedules", go("schedules")),
        (":workers", go("workers")),
        (":failures", go("failures")),
        (":events mail", go("events", "mail")),
        (":redis", go("redis")),
        (":doctor", go("doctor")),
        (":find TEXT", Find("TEXT")),
        (":find  two  words ", Find("two  words")),
        (':find {"to": "ada"}', Find('{"to": "ada"}')),
        (':find "to": "ada"', Find('"to": "ada"')),
        (':find " x "', Find(" x ")),
        (':find "x', Find('"x')),
        (":find/x%20y", Find("x y")),
        (":find :q", Find(":q")),
        (":ctx prod", UseContext("prod")),
        (":ctx", UseContext()),
        (":context prod", UseContext("prod")),
        (":q", Quit()),
        (":quit", Quit()),
        (":q!", Quit()),
        (":help", Help()),
        (":?", Help()),
        (":export csv FILE", Export(Kind.CSV, "FILE")),
        (':export JSON "my file"', Export(Kind.JSON, "my file")),
        (":export svg", Export(Kind.SVG)),
    ],
)
def test_what_is_typed_is_a_command(typed, command):
    assert parse(typed) == command


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "type a command"),
        (" : ", "type a command"),
        (":taks", "no command 'taks': did you mean 'tasks'?"),
        (":Quees mail", "no command 'quees': did you mean 'queues'?"),
        (":zebra", "no command 'zebra'; help shows the keys"),
        (":tasks mail ded", "no state 'ded': did you mean 'dead'?"),
        (":tasks reports failed", "no state 'failed': did you mean 'dead'?"),
        (":tasks mail zebra", "no state 'zebra'; the states are pending, delayed, active, done, dead"),
        (":tasks a dead id x", "tasks takes a queue, a state and an id at most; names with spaces stand"),
        (":events two words", "events takes a queue at most; names with spaces stand in double quotes"),
        (":redis mail", "redis takes nothing more"),
        (":q mail", "q takes nothing more"),
        (":ctx a b", "ctx takes the name of one context"),
        (":find", "find needs one text"),
        (":find   ", "find needs one text"),
        (':find ""', "find needs one text"),
        (":find/a/b", "find needs one text"),
        (":export", "export takes csv, json or svg"),
        (":export csv a b", "export takes csv, json or svg"),
        (":export cvs", "cannot export 'cvs': did you mean 'csv'?"),
        (":export zebra", "cannot export 'zebra': write csv, json, svg"),
        (':tasks "mail', "a name in double quotes ends with one"),
        (':tasks "mail"dead', "a space is missing"),
        (":tasks/50%", "'50%': after % come two"),
        (":tasks/%FF", "'%FF': the % escapes are not UTF-8"),
        ("x" * 5000, "a command has 4000 characters at most"),
    ],
)
def test_what_is_no_command_is_said_in_a_line(typed, message):
    with pytest.raises(CommandError) as caught:
        parse(typed)
    assert str(caught.value).startswith(message)


@given(COMMANDS)
def test_a_command_is_read_back_from_its_line(command):
    line = format_command(command)
    assert parse(line) == command
    assert line.isprintable()


@pytest.mark.parametrize("name", [*(text[:300] for text in HOSTILE), '"x"', " x", '"', "%41", "\\"])
def test_a_hostile_name_is_read_back_from_its_line(name):
    for command in (go("tasks", name, "dead", name), Find(name), UseContext(name), Export(Kind.CSV, name)):
        line = format_command(command)
        assert parse(line) == command
        assert line.isprintable()


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (go("tasks", "mail", "dead"), ":tasks/mail/dead"),
        (go("tasks", None, "dead"), ":tasks//dead"),
        (go("tasks", "two words/%"), ":tasks/two%20words%2F%25"),
        (go("events", "漢字"), ":events/漢字"),
        (go("events", "A\u202eB"), ":events/A%E2%80%AEB"),
        (go("queues"), ":queues"),
        (Find("a b"), ":find a b"),
        (Find(" x"), ':find " x"'),
        (Find("a\nb"), ':find "a\\nb"'),
        (UseContext("prod eu"), ':ctx "prod eu"'),
        (Export(Kind.CSV, "out"), ":export csv out"),
        (Help(), ":help"),
        (Quit(), ":q"),
    ],
)
def test_the_line_of_a_command(command, line):
    assert format_command(command) == line


@given(st.text(max_size=60) | st.text(alphabet=':/" %\\tasksdead', max_size=30))
def test_any_text_is_a_command_or_a_mistake_and_can_be_completed(text):
    try:
        parse(text)
    except CommandError as error:
        said = str(error)
    else:
        said = "fine"
    assert said.isprintable()
    assert len(complete(text, NAMES)) <= MAX_COMPLETIONS


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (":ta", [":tasks"]),
        ("ta", ["tasks"]),
        (":D", [":delayed", ":doctor"]),
        (":tasks ma", [":tasks mail", ":tasks mail-eu"]),
        (":tasks bi", [":tasks Bills"]),
        (":tasks tw", [':tasks "two words"']),
        (':tasks "tw', [':tasks "two words"']),
        (':tasks "two words"', [':tasks "two words"']),
        (':tasks "two words" d', [':tasks "two words" delayed', ':tasks "two words" done', ':tasks "two words" dead']),
        (":tasks/tw", [":tasks/two%20words"]),
        (":tasks/two%20w", [":tasks/two%20words"]),
        (":tasks/mail/a", [":tasks/mail/active"]),
        (":tasks/mail a", [":tasks/mail active"]),
        (":tasks a", [":tasks a/b"]),
        (":tasks/a", [":tasks/a%2Fb"]),
        (":tasks say", [':tasks "say \\"x\\""']),
        (":tasks/nul", [":tasks/nul%00%1B[2J"]),
        (":tasks mail dead ", []),
        (":redis ", []),
        (":events mail x", []),
        (":ctx p", [":ctx prod", ':ctx "prod eu"']),
        (":find se", [":find send_mail", ':find "send sms"']),
        (":export ", [":export csv", ":export json", ":export svg"]),
        (":export csv ", []),
        (":zebra ", []),
    ],
)
def test_tab_offers_whole_lines(typed, offered):
    assert complete(typed, NAMES) == offered


@pytest.mark.parametrize("separator", [" ", "/"])
def test_whatever_is_offered_means_the_queue_it_was_offered_for(separator):
    for line, queue in zip(complete(f":tasks{separator}", NAMES), NAMES.queues, strict=True):
        assert parse(line) == go("tasks", queue)


def test_a_name_that_is_empty_is_not_offered():
    assert complete(":tasks ", Names(queues=["", "mail"])) == [":tasks mail"]


def test_not_more_is_offered_than_can_be_read():
    assert len(complete(":tasks ", Names(queues=[f"q{i}" for i in range(1000)]))) == MAX_COMPLETIONS
