import os
import threading

import pytest

from taskconsole.cli.root import _without_headless
from taskconsole.cli.target import Target, secrets_of
from taskconsole.errors import ConfigError

SECRET = "S3cr3t%40x"


def target(url=None, file=None):
    made = Target()
    made.url_flag, made.url_file = url, file
    return made


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--headless", "worker", "-A", "x:y"], ["worker", "-A", "x:y"]),
        (
            ["-u", "URL", "--headless", "worker", "-A", "x:y", "-q", "z"],
            ["-u", "URL", "worker", "-A", "x:y", "-q", "z"],
        ),
        (["--headless=scheduler", "-q", "z"], ["scheduler", "-q", "z"]),
        (["-u", "--headless", "worker"], ["-u", "--headless", "worker"]),
        (["--url=x", "--prefix", "p", "--headless", "worker"], ["--url=x", "--prefix", "p", "worker"]),
        (["enqueue", "--headless", "worker"], ["enqueue", "--headless", "worker"]),
        (["--", "--headless", "worker"], ["--", "--headless", "worker"]),
        (["--headless", "nonsense"], ["--headless", "nonsense"]),
        (["--headless"], ["--headless"]),
        ([], []),
    ],
)
def test_headless_names_a_command(given, expected):
    assert _without_headless(given) == expected


def test_a_flag_comes_before_the_environment_and_that_before_the_default(monkeypatch):
    monkeypatch.delenv("TASKCONSOLE_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", "redis://general/1")
    assert target().settings().url == "redis://general/1"
    assert target().given_url() is None

    monkeypatch.setenv("TASKCONSOLE_URL", "redis://ours/2")
    assert target().settings().url == "redis://ours/2"
    assert target("redis://flag/3").settings().url == "redis://flag/3"

    monkeypatch.delenv("TASKCONSOLE_URL")
    monkeypatch.delenv("REDIS_URL")
    assert target().settings().url == "redis://localhost:6379/0"


def test_options_about_the_server_stand_before_or_after_the_command(cli, store_url, monkeypatch):
    monkeypatch.setenv("TASKCONSOLE_URL", "redis://localhost:1")
    assert cli("status").code == 4
    assert cli("-u", store_url, "status").code == 0
    assert cli("status", "-u", store_url).code == 0
    assert cli("-u", "redis://localhost:1", "status", "-u", store_url).code == 0


def test_a_prefix_is_put_in_front_of_every_key(cli, raw):
    assert cli("--prefix", "p:", "enqueue", "hello", "-q", "mail").code == 0

    assert raw.llen("p:mail") == 1
    assert not raw.exists("mail")


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("redis://localhost", set()),
        ("redis://user@localhost", set()),
        (f"redis://:{SECRET}@h", {SECRET, "S3cr3t@x"}),
        (f"unix:///s?db=1&password={SECRET}", {"S3cr3t@x"}),
        ("redis://:x@[::1", set()),
    ],
)
def test_what_is_secret_in_a_url(url, secrets):
    assert secrets_of(url) == secrets


def test_a_password_on_the_command_line_is_said_to_be_seen(cli, make_server):
    server = make_server(password="S3cr3tP4ss")

    ran = cli("-u", server.url, "status")

    assert ran.code == 0
    assert ran.err.count("\n") == 1
    assert "`ps`" in ran.err
    assert "S3cr3tP4ss" not in ran.out + ran.err


@pytest.mark.parametrize(
    "url",
    [
        "redis://:S3cr3tP4ss@localhost:x",
        "redis://:S3cr3tP4ss@localhost:1/0",
        "redis://:S3cr3tP4ss@localhost:1/notanumber",
        "redis://:S3cr3tP4ss@[::1",
        "http://:S3cr3tP4ss@h",
        "unix:///nowhere.sock?password=S3cr3tP4ss",
        "redis://localhost:1?password=S3cr3tP4ss&socket_timeout=soon",
        "redis://localhost:1?password=S3cr3tP4ss&nonsense=1",
        "redis:S3cr3tP4ss",
    ],
)
def test_no_password_is_ever_printed(cli, url):
    for command in (["status"], ["enqueue", "x"], ["events", "--follow"], ["scheduler"], []):
        ran = cli("-u", url, *command)

        assert ran.code in {2, 4}
        assert "S3cr3tP4ss" not in ran.out + ran.err
        assert "Traceback" not in ran.err


def test_a_bug_is_reported_without_the_password(cli, monkeypatch):
    def broken(*_):
        raise RuntimeError("at redis://:S3cr3tP4ss@h\x1b[2J")

    monkeypatch.setenv("TASKCONSOLE_URL", "redis://:S3cr3tP4ss@h")
    monkeypatch.setattr("taskconsole.cli.reading.open_backend", broken)

    ran = cli("status")

    assert ran.code == 1
    assert "RuntimeError: at redis://:***@h\\x1b[2J" in ran.err
    assert "S3cr3tP4ss" not in ran.err


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_url_is_read_from_a_file_that_nobody_else_can_read(cli, store_url, tmp_path, monkeypatch, mode):
    monkeypatch.setenv("TASKCONSOLE_URL", "redis://localhost:1")
    file = tmp_path / "url"
    file.write_text(f"\n{store_url}\nsecond line\n")
    file.chmod(mode)

    assert cli("--url-file", str(file), "status").code == 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700])
def test_a_url_file_that_others_can_read_is_refused(tmp_path, mode):
    file = tmp_path / "url"
    file.write_text("redis://:S3cr3tP4ss@h")
    file.chmod(mode)

    with pytest.raises(ConfigError, match=f"mode {mode:04o}"):
        target(file=str(file)).given_url()


def test_a_url_file_may_be_a_pipe(store_url):
    reader, writer = os.pipe()
    threading.Thread(target=lambda: (os.write(writer, store_url.encode()), os.close(writer))).start()
    try:
        assert target(file=f"/dev/fd/{reader}").given_url() == store_url
    finally:
        os.close(reader)


@pytest.mark.parametrize("content", ["", "\n\n", "nonsense"])
def test_a_url_file_without_a_url_is_refused(tmp_path, content):
    file = tmp_path / "url"
    file.write_text(content)
    file.chmod(0o600)

    with pytest.raises(ConfigError):
        target(file=str(file)).given_url()


def test_a_missing_url_file_and_two_urls_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        target(file=str(tmp_path / "none")).given_url()
    with pytest.raises(ConfigError, match="not both"):
        target("redis://h", str(tmp_path / "none")).given_url()
