"""Everything in Redis is hostile: nothing of it reaches the terminal as it is, or is taken for markup."""

from __future__ import annotations

import base64
import json
import os
import re
from contextlib import closing
from urllib.parse import quote

import pytest

from taskconsole.cli.root import call
from tests.console.hostile_texts import HOSTILE
from tests.proofs.hostile_redis import fill, publish
from tests.proofs.live import LiveConsole
from tests.proofs.tour import ESCAPE, Tour
from tests.servers import PrivateServer, given_url

FULL = os.environ.get("TASKCONSOLE_TEST_FULL") == "1"

PASSWORD = "S3cret@marker"

pytestmark = [
    pytest.mark.pty,
    pytest.mark.timeout(600),
    pytest.mark.skipif(given_url() is not None, reason="needs a server of its own"),
]

CLIPBOARD = re.compile(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07")
"""What copying writes; nobody else may."""

UNPRINTABLE = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e0fff]"
)

ROWS = f"\r{ESCAPE}" + f"{'j' * 9}\r{ESCAPE}" * 4 + f"G\rG{ESCAPE}"
"""Some rows of a table, each looked at from inside."""

SIDEWAYS = "w" + "\x1b[C" * 6 + "w"


@pytest.fixture(scope="module")
def server():
    with PrivateServer(password=PASSWORD.replace("@", "%40"), settings={"requirepass": PASSWORD}) as server:
        with closing(server.client()) as client:
            fill(client, large=20_000_000 if FULL else 2_000_000)
        yield server


class Hostile(LiveConsole):
    """Knows what it has copied itself."""

    @property
    def copied(self):
        """The texts that went to the clipboard."""
        return [base64.b64decode(found) for found in CLIPBOARD.findall(self.output)]

    def assert_clean(self, copies):
        """Nothing but what our renderer makes, and as many copies as were asked for."""
        assert len(self.copied) <= copies
        assert PASSWORD.encode() not in self.output
        assert quote(PASSWORD).encode() not in self.output
        self.output = CLIPBOARD.sub(b"", self.output)
        assert self.stray == ""
        for sequence in (b"\x1b]0;", b"\x1b]8;", b"\x1b[2J", b"\x1b[6n", b"\x1bP", b"\xc2\x9b", b"\xc2\x9d"):
            assert sequence not in self.output


VIEWS = {
    **{state: f":tasks/mail/{state}\r" for state in ("pending", "active", "delayed", "dead", "done")},
    **{view: f":{view}\r" for view in ("queues", "delayed", "schedules", "workers", "failures", "doctor", "redis")},
}


@pytest.mark.parametrize("size", [(80, 24), *([(160, 45)] if FULL else [])], ids=lambda size: "{}x{}".format(*size))
def test_no_view_lets_anything_through(server, size, tmp_path):
    with Hostile(server.url, size=size, home=tmp_path) as console, closing(server.client()) as client:
        console.until("LIVE")
        console.press(":z0\r")
        console.answers("z0")
        publish(client)
        seen = ""
        for n, (view, way) in enumerate(VIEWS.items(), 1):
            console.press(way)
            console.rest()
            seen += console.text
            console.press(f"{ROWS}{SIDEWAYS}y{ESCAPE}{ESCAPE}{way}:z{n}\r")
            console.answers(f"z{n}")
            for kind in ("csv", "json", "svg"):
                console.press(f':export {kind} "{tmp_path}/{view}.{kind}"\r')
        console.press(":events\r")
        console.rest()
        seen += console.text
        console.press("1/click=app.quit\r")
        console.until("[@click=app.quit]OK[/]")
        assert "␛[2J" in seen
        console.press(f"{ESCAPE}7")
        console.press(f"F{SIDEWAYS}:z98\r")
        console.answers("z98")
        console.press(":tasks " + "\t" * 45 + f"{ESCAPE}:events ␛\t\t{ESCAPE}:find \x1b]52;\r")
        console.rest()
        console.press("\x10[@click\x1b[B\x1b[B" + ESCAPE + f"Y\x1b[B\r{ESCAPE}:z99\r")
        console.answers("z99")
        console.press(":queues\r")
        console.rest()
        console.press("q")
        assert console.end() == 0
        console.assert_clean(copies=len(VIEWS) + 1)
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {f"{view}.{kind}" for view in VIEWS for kind in ("csv", "svg")} & {path.name for path in written}
    for path, data in written.items():
        assert PASSWORD.encode() not in data, path
        if path.suffix in {".csv", ".json", ".svg"}:
            assert not UNPRINTABLE.search(data.decode().replace("\r\n", "\n")), path
        if path.suffix == ".csv":
            assert not re.search(r'(?m)(^|,)"?[=+@]', data.decode()), path
        if path.suffix == ".json":
            [json.loads(line) for line in data.splitlines()]


@pytest.mark.skipif(not FULL, reason="TASKCONSOLE_TEST_FULL=1 runs it: a minute and more")
def test_no_key_lets_anything_through(server, tmp_path):
    with Hostile(server.url, "--no-mouse", size=(100, 30), home=tmp_path) as console:
        console.until("LIVE")
        for after in ("", "\r", "y"):
            Tour(console, "mail", after=after).all()
        console.assert_clean(copies=1_000)


COMMANDS = [
    ["status"],
    ["queues"],
    *(["tasks", "mail", state] for state in ("pending", "active", "delayed", "dead", "done")),
    ["delayed"],
    ["failures"],
    ["workers"],
    ["schedules"],
    ["events", "--history", "100"],
    ["redis"],
    ["doctor"],
    ["find", "A"],
    ["find", "[@click"],
]


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_lets_anything_through(server, command, as_json, capsys, monkeypatch):
    monkeypatch.setenv("TASKCONSOLE_URL", server.url)
    code = call([*command, *(["--json"] if as_json else [])])
    out, err = capsys.readouterr()

    assert code in {0, 1, 2}, err
    assert out, err
    assert not UNPRINTABLE.search(out), UNPRINTABLE.search(out)
    assert not UNPRINTABLE.search(err), UNPRINTABLE.search(err)
    assert PASSWORD not in out + err
    if as_json:
        for line in out.splitlines():
            json.loads(line)


@pytest.mark.parametrize("text", HOSTILE[:6])
def test_a_server_that_is_not_there_is_named_without_its_password(text, tmp_path):
    url = f"redis://{quote(text)}:{quote(PASSWORD)}@127.0.0.1:1/0?password={quote(PASSWORD)}"
    with Hostile(url, home=tmp_path) as console:
        console.until("DISCONNECTED")
        console.press("q")
        console.end()
        console.assert_clean(copies=0)
