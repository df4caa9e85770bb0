"""Keys are pressed as fast as the console takes them."""

from __future__ import annotations

import asyncio
import unicodedata

import pytest
from textual import events
from textual.app import App
from textual.keys import REPLACED_KEYS, _character_to_key, _get_unicode_name_from_key


@pytest.fixture(autouse=True)
def _keys_wait_for_nothing_but_the_console(monkeypatch):
    """Textual's pilot waits after each key until this process needs no processor, which threads keep from it."""
    monkeypatch.setattr(App, "_press_keys", _press_keys)
    monkeypatch.setattr("textual.pilot.wait_for_idle", lambda _seconds: asyncio.sleep(0.02))


async def _press_keys(app, keys):
    for key in keys:
        event = _key_event(key)
        event.set_sender(app)
        taken = asyncio.Event()
        app.post_message(event)
        # What the app does after the key tells that the key has come to the turnstile, if there is one.
        app.call_later(taken.set)
        await taken.wait()
        while _is_under_way(app):  # noqa: ASYNC110 (nobody else would need an event)
            await asyncio.sleep(0)


def _is_under_way(app):
    turnstile = getattr(app, "_turnstile", None)
    return turnstile is not None and turnstile._under_way and app._running


def _key_event(key):
    if len(key) == 1 and not key.isalnum():
        key = _character_to_key(key)
    try:
        character = unicodedata.lookup(_get_unicode_name_from_key(REPLACED_KEYS.get(key, key)))
    except KeyError:
        character = key if len(key) == 1 else None
    return events.Key(key, character)
