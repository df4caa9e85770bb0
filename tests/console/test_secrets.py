"""Arguments that are named like secrets are shown nowhere, unless somebody who may write wants them shown."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from taskconsole.backends import rows
from taskconsole.console.look import Look
from taskconsole.console.place import Place
from taskconsole.model.detail import TaskDetail
from taskconsole.model.failure import FailureGroup, Failures
from taskconsole.model.search import Progress
from taskconsole.model.secrecy import concealed_text
from taskconsole.model.state import State
from tests.console.screens import running, text_of, until, until_shown
from tests.console.test_acting import DEAD, full

SECRETS = Look().masked
MARKER = "hunter2"

plain = st.text(alphabet=st.characters(codec="utf-8"), max_size=8).filter(lambda text: MARKER not in text)
names = st.sampled_from(["password", "API_TOKEN", "x_secret_y", "user", "n", "pass", 'a"b', "\u00e4"])
secret = st.recursive(
    st.just(MARKER) | st.just(f'{MARKER}"]}},:') | st.just(f"\\{MARKER}"),
    lambda inner: st.lists(inner, min_size=1, max_size=2) | st.dictionaries(plain, inner, min_size=1, max_size=2),
    max_leaves=3,
)


def values():
    return st.recursive(
        st.none() | st.booleans() | st.integers() | plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )


@given(values(), secret, st.integers(0, 400), st.sampled_from([None, 1]))
def test_no_secret_is_left_of_json_however_it_was_cut(value, hidden, cut, indent):
    text = json.dumps([value, {"user": value, "db_password": hidden}, value], indent=indent)
    whole = concealed_text(text, SECRETS)
    assert MARKER not in whole
    json.loads(whole)
    assert MARKER not in concealed_text(text[:cut], SECRETS)


@given(st.text(max_size=200))
def test_text_that_is_no_json_never_breaks_it(text):
    concealed_text(text, SECRETS)


@given(values())
def test_what_is_no_secret_stays_as_it_is(value):
    text = json.dumps(value)
    kept = concealed_text(text, ("nothing_is_called_so",))
    assert kept == text


@given(values(), secret, st.integers(0, 300))
def test_no_secret_is_left_of_arguments_as_rows_show_them(value, hidden, cut):
    text = rows._arguments({"args": [value], "kwargs": {"n": value, "password": hidden, "z": value}})
    shown = concealed_text(text, SECRETS)
    assert MARKER not in shown
    assert 'password="***"' in shown or len(text) == rows.MAX_ARGS
    assert MARKER not in concealed_text(text[:cut], SECRETS)


def test_a_name_is_a_secret_however_it_is_escaped():
    assert MARKER not in concealed_text('{"pass\\u0077ord": "hunter2"}', SECRETS)


def test_long_hostile_text_takes_no_time():
    began = time.monotonic()
    for text in (
        "=" * 200_000,
        "a" * 200_000 + ":",
        "a=" * 100_000,
        '"' * 200_000,
        '{"password":' * 20_000,
        '"a\\"' * 60_000 + ":",
        '{"password":[' * 20_000,
        '\\"' * 100_000,
    ):
        concealed_text(text, SECRETS)
    assert time.monotonic() - began < 5


def with_secrets():
    backend = full()
    payload = (
        b'{"task":"send_0","id":"id-00000000","kwargs":{"to":"ada","password":"hunter2","n":[{"api_key":"hunter2"}]}}'
    )
    row = backend.task_at("mail", State.DEAD, 0)
    args = 'to="ada", password="hunter2", n=[{"api_key": "hunter2"}]'
    row = replace(row, payload=payload, size=len(payload), args=args, error="")
    backend.task_at = lambda queue, state, i: replace(row, queue=queue, state=state, id=f"id-{i:08d}")
    backend.details = {f"id-{i:08d}": TaskDetail(row=row, payload=payload) for i in range(5)}
    group = FailureGroup(queue="mail", task="send_0", exception="TimeoutError", message="x", dead=120, sample=row)
    backend.failures_found = Failures(groups=(group,), looked=120, total=120)
    backend.progresses = [Progress(looked=5, total=5, found=(row,), done=True)]
    return backend


async def each_view(pilot):
    """Every view in which a task is shown, and its text."""
    app = pilot.app
    for place in (DEAD, Place(view="delayed"), Place(view="failures"), Place()):
        await app.desk.go(place)
        await until(lambda: app.desk.view.grid.selected is not None)
        await pilot.pause()
        yield text_of(app)
    await pilot.press("colon", *"find ada", "enter")
    await until_shown(app, "done")
    yield text_of(app)
    await app.desk.go(DEAD)
    await until(lambda: app.desk.view.grid.selected is not None)
    await pilot.press("enter")
    await until_shown(app, "payload")
    yield text_of(app)


async def test_no_secret_is_on_any_screen_in_any_copy_or_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "dumb")
    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    async with running(with_secrets(), start=DEAD, size=(160, 45)) as pilot:
        app = pilot.app
        async for shown in each_view(pilot):
            assert MARKER not in shown
        assert "***" in text_of(app)
        assert all(MARKER not in text for _, text in app.desk.view.copies())
        await app.desk.go(DEAD)
        await until(lambda: app.desk.view.grid.selected is not None)
        for kind in ("csv", "json", "svg"):
            await pilot.press("colon", *f"export {kind} out", "enter")
            await until((tmp_path / f"out.{kind}").exists)
        await until(lambda: (tmp_path / "out.svg").stat().st_size)
        assert all(MARKER not in path.read_text() for path in tmp_path.glob("out.*"))
        # A form would show it.
        await pilot.press("c")
        await until_shown(app, "it carries secrets: R shows them")


async def test_r_shows_them_while_unlocked_and_a_lock_hides_them_again():
    now = [0.0]
    async with running(
        with_secrets(), start=DEAD, size=(160, 45), context="prod", protected=True, clock=lambda: now[0]
    ) as pilot:
        app = pilot.app
        await until_shown(app, '"***"')
        await pilot.press("R")
        await until_shown(app, "locked: U unlocks")
        assert MARKER not in text_of(app)
        app.feed.errands.change_lock(lambda lock: lock.opened(now[0]))
        await pilot.press("R")
        await until_shown(app, MARKER)
        now[0] += 1e6
        await until_shown(app, '"***"')
        await until(lambda: MARKER not in text_of(app))
        app.feed.errands.change_lock(lambda lock: lock.opened(now[0]))
        await pilot.press("R")
        await until_shown(app, MARKER)
        await pilot.press("R")
        await until(lambda: MARKER not in text_of(app))


async def test_read_only_shows_none():
    async with running(with_secrets(), start=DEAD, read_only=True) as pilot:
        await until_shown(pilot.app, '"***"')
        await pilot.press("R")
        await until_shown(pilot.app, "read-only")
        assert MARKER not in text_of(pilot.app)
