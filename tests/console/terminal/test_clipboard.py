"""Where a copied text goes."""

from __future__ import annotations

import base64
import contextlib
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.console.terminal import clipboard
from taskconsole.console.terminal.clipboard import FILE, MAX_BYTES, CopyError, How, copy, osc52
from tests.console.hostile_texts import HOSTILE
from tests.servers import wait_until

TMUX = shutil.which("tmux")


class Terminal:
    """Remembers what is written to it."""

    def __init__(self):
        self.written = ""

    def __call__(self, text):
        self.written += text


@pytest.fixture
def environ(tmp_path):
    return {"HOME": str(tmp_path), "PATH": "/nowhere", "TERM": "xterm-256color"}


@pytest.fixture
def fake_tmux(tmp_path, environ):
    """Put a tmux on the path that runs the given Python."""

    def make(script):
        directory = tmp_path / "bin"
        directory.mkdir()
        (directory / "tmux").write_text(f"#!{sys.executable}\nimport sys, pathlib, time\n{script}\n")
        (directory / "tmux").chmod(0o700)
        environ.update(PATH=str(directory), TMUX="/tmp/tmux-0/default,1,0")

    return make


def decoded(sequence):
    return base64.b64decode(re.fullmatch(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", sequence)[1])


@pytest.mark.parametrize("text", ["task1", "", *HOSTILE])
def test_a_terminal_gets_the_exact_text_and_nothing_else(environ, text):
    terminal = Terminal()
    copied = copy(text, environ=environ, write=terminal)
    assert copied.how is How.TERMINAL
    assert decoded(terminal.written) == text.encode("utf-8", "backslashreplace")


def test_tmux_is_given_the_text_by_its_own_command(environ, fake_tmux, tmp_path):
    fake_tmux(
        f"pathlib.Path({str(tmp_path / 'got')!r}).write_bytes(' '.join(sys.argv[1:]).encode() + b'|' + sys.stdin.buffer.read())"
    )
    terminal = Terminal()

    copied = copy("é\x1b[2J", environ=environ, write=terminal)

    assert copied.how is How.TMUX
    assert "terminal's clipboard" in copied.where
    assert (tmp_path / "got").read_bytes() == b"load-buffer -w -|" + "é\x1b[2J".encode()
    assert terminal.written == ""


def test_an_old_tmux_has_its_own_buffer_only_and_it_is_said(environ, fake_tmux):
    fake_tmux("sys.stdin.read(); print('noise'); sys.exit('unknown flag -w' if '-w' in sys.argv else 0)")
    copied = copy("x", environ=environ, write=None)
    assert copied.how is How.TMUX
    assert "clipboard" not in copied.where


@pytest.mark.parametrize("script", ["sys.exit(1)", "time.sleep(600)"])
def test_a_tmux_that_fails_or_hangs_leaves_the_file(environ, fake_tmux, script, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(clipboard, "PATIENCE", 0.5)
    fake_tmux(f"print('noise'); print('noise', file=sys.stderr, flush=True); {script}")
    terminal = Terminal()

    copied = copy("x", environ=environ, write=terminal)

    assert (copied.how, copied.where) == (How.FILE, str(tmp_path / FILE))
    # A plain OSC 52 would end in tmux; the operator would be told of a clipboard that has nothing.
    assert terminal.written == ""
    assert capfd.readouterr() == ("", "")


def test_a_tmux_that_is_not_on_the_path_leaves_the_file(environ, tmp_path):
    assert copy("x", environ={**environ, "TMUX": "x"}, write=Terminal()).how is How.FILE


def test_screen_gets_pieces_it_can_hold(environ):
    terminal = Terminal()
    text = "0123456789" * 300
    copied = copy(text, environ={**environ, "STY": "1.pts", "TERM": "screen"}, write=terminal)

    pieces = re.findall(r"\x1bP([^\x1b]*(?:\x1b(?!\\)[^\x1b]*)*)\x1b\\", terminal.written)
    assert "".join(f"\x1bP{piece}\x1b\\" for piece in pieces) == terminal.written
    assert max(map(len, pieces)) <= 254
    assert decoded("".join(pieces)) == text.encode()
    assert copied.how is How.TERMINAL


@given(st.binary(max_size=2000), st.booleans())
def test_no_byte_of_a_text_acts_on_the_terminal(data, screen):
    sequence = osc52(data, screen=screen)
    assert sequence.isascii()
    inner = sequence.replace("\x1bP", "").replace("\x1b\\", "") if screen else sequence
    assert decoded(inner) == data


@pytest.mark.parametrize(
    ("term", "hint"), [("xterm", "OSC 52"), ("tmux-256color", "set-clipboard on"), ("screen", "set-clipboard on")]
)
def test_it_says_what_it_cannot_know(environ, term, hint):
    assert hint in copy("x", environ={**environ, "TERM": term}, write=Terminal()).where


def test_what_is_too_long_for_terminals_goes_into_the_file(environ, tmp_path, fake_tmux):
    terminal = Terminal()
    assert copy("x" * MAX_BYTES, environ=environ, write=terminal).how is How.TERMINAL
    terminal.written = ""
    assert copy("é" * (MAX_BYTES // 2) + "x", environ=environ, write=terminal).how is How.FILE
    assert terminal.written == ""
    fake_tmux("sys.stdin.read()")
    assert copy("x" * (MAX_BYTES + 1), environ=environ, write=None).how is How.FILE
    assert (tmp_path / FILE).stat().st_size == MAX_BYTES + 1


@pytest.mark.parametrize("term", ["", "dumb", "linux"])
def test_a_terminal_without_a_clipboard_is_not_written_to(environ, term):
    terminal = Terminal()
    assert copy("x", environ={**environ, "TERM": term}, write=terminal).how is How.FILE
    assert terminal.written == ""


def test_a_terminal_that_is_gone_leaves_the_file(environ):
    def gone(_):
        raise BrokenPipeError

    assert copy("x", environ=environ, write=gone).how is How.FILE


def test_the_file_is_private_and_holds_the_last_copy(environ, tmp_path):
    for text in ("longer text", "short"):
        copied = copy(text, environ=environ, write=None)
    assert copied == clipboard.Copied(How.FILE, str(tmp_path / FILE))
    assert (tmp_path / FILE).read_text() == "short"
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_link_in_the_place_of_the_file_is_refused_in_a_line(environ, tmp_path):
    (tmp_path / FILE).symlink_to(tmp_path / "bashrc")
    with pytest.raises(CopyError, match="nothing copied: cannot write") as caught:
        copy("x", environ=environ, write=None)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "bashrc").exists()


@pytest.mark.parametrize("home", [None, "", "relative", "/a\0b", "/none\x1b"])
def test_no_home_is_said_in_a_line(environ, home):
    found = {**environ, "HOME": home} if home is not None else {k: v for k, v in environ.items() if k != "HOME"}
    with pytest.raises(CopyError, match="nothing copied") as caught:
        copy("x", environ=found, write=None)
    assert str(caught.value).isprintable()


@pytest.mark.skipif(TMUX is None, reason="no tmux here")
@pytest.mark.pty
def test_a_real_tmux_has_it_in_its_buffer_and_passes_it_on(tmp_path, environ):
    """The default settings; the terminal around tmux is a pseudo-terminal of ours that says it is an xterm."""
    outside = {k: v for k, v in os.environ.items() if k not in {"TMUX", "STY"}}
    outside |= {"TMUX_TMPDIR": str(tmp_path), "TERM": "xterm-256color", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    terminal, inner = pty.openpty()
    child = subprocess.Popen(
        [TMUX, "-f", "/dev/null", "new-session", "cat"],
        env=outside,
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    os.set_blocking(terminal, False)
    seen = b""

    def tmux(*arguments):
        return subprocess.run([TMUX, *arguments], env=outside, capture_output=True, check=False, timeout=20)

    def reads(what):
        nonlocal seen
        with contextlib.suppress(BlockingIOError):
            seen += os.read(terminal, 65536)
        return what in seen

    try:
        wait_until(lambda: reads(b"") and tmux("list-clients").stdout.strip(), what="tmux has a client")
        socket, pid = tmux("display-message", "-p", "#{socket_path},#{pid}").stdout.decode().strip().split(",")
        text = "naïve \x1b[2J; `x`"
        copied = copy(text, environ={**outside, "TMUX": f"{socket},{pid},0"}, write=None)

        assert copied.how is How.TMUX
        assert tmux("show-buffer").stdout.decode() == text
        wait_until(lambda: reads(base64.b64encode(text.encode())))
        assert b"]52;" in seen
    finally:
        tmux("kill-server")
        child.kill()
        child.wait()
        os.close(terminal)
    assert Path(socket).parent.parent == tmp_path
