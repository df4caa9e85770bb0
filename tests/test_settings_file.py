"""What `config.toml` may say, and what is said when it says something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskconsole.errors import ConfigError
from taskconsole.settings_file import ConsoleSettings, NamedContext, SettingsFile, read_settings_file, settings_path

FULL = """
context = "dev"

[contexts.dev]
url = "redis://localhost:6379/1"

[contexts."prod eu"]
url_file = "prod.url"
prefix = "shop:"
queues = ["mail", "two words"]
read_only = true
protected = true
colour = "red"

[keys]
"queues.pause" = "p,space"

[console]
theme = "ansi-dark"
ascii = true
mouse = true
time = "local"
interval = 2

[secrets]
patterns = ["password", "*token*"]
"""


@pytest.fixture
def read(tmp_path):
    def read(text, mode=0o600):
        path = tmp_path / "config.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return read_settings_file({"TASKCONSOLE_CONFIG": str(path)})

    return read


def test_everything_it_may_say(read, tmp_path):
    dev = NamedContext(name="dev", url="redis://localhost:6379/1")
    prod = NamedContext(
        name="prod eu",
        url_file=tmp_path / "prod.url",
        prefix="shop:",
        queues=("mail", "two words"),
        read_only=True,
        protected=True,
        colour="red",
    )
    assert read(FULL) == SettingsFile(
        path=tmp_path / "config.toml",
        contexts={"dev": dev, "prod eu": prod},
        default=dev,
        keys={"queues.pause": "p,space"},
        console=ConsoleSettings(theme="ansi-dark", ascii=True, mouse=True, local_time=True, interval=2.0),
        secret_patterns=("password", "*token*"),
        mode=0o600,
    )


def test_an_empty_file_says_nothing(read, tmp_path):
    assert read("") == SettingsFile(path=tmp_path / "config.toml", mode=0o600)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('contex = "x"', "unknown key contex: did you mean 'context'?"),
        (
            'context = "prdo"\n[contexts.prod]\nurl = "redis://h"',
            "context: there is no such table in [contexts]: did you mean 'prod'?",
        ),
        ("context = 3", "context: must be text on one line"),
        ("contexts = 3", "contexts: must be a table"),
        ("[contexts]\nprod = 3", "contexts.prod: must be a table"),
        ('[contexts.prod]\nulr = "redis://h"', "unknown key contexts.prod.ulr: did you mean 'url'?"),
        (
            '[contexts.prod]\nurl = "redis://h"\nreadonly = true',
            "unknown key contexts.prod.readonly: did you mean 'read_only'?",
        ),
        ('[contexts.prod]\nurl = "redis://h"\nread_only = "yes"', "contexts.prod.read_only: must be true or false"),
        ('[contexts.prod]\nurl = "redis://h"\nread_only = 1', "contexts.prod.read_only: must be true or false"),
        ('[contexts.prod]\nurl = "redis://h"\nqueues = "mail"', "contexts.prod.queues: must be a list of texts"),
        ('[contexts.prod]\nurl = "redis://h"\nqueues = [3]', "contexts.prod.queues: must be a list of texts"),
        ('[contexts.prod]\nurl = "redis://h"\ncolour = "mauve"', "contexts.prod.colour: must be one of red, green"),
        ("[contexts.prod]", "contexts.prod.url: give either url or url_file"),
        ('[contexts.prod]\nurl = "redis://h"\nurl_file = "x"', "contexts.prod.url: give either url or url_file"),
        ('[contexts.prod]\nurl_file = "~nobody-of-that-name/x"', "contexts.prod.url_file: cannot tell where"),
        ('[contexts.prod]\nurl = "http://:S3cr3t@h"', "contexts.prod.url: bad Redis URL (http://)"),
        ('[contexts.prod]\nurl = "redis://:S3cr3t@h:x"', "contexts.prod.url: bad Redis URL"),
        ('[contexts.prod]\nurl = ["redis://:S3cr3t@h"]', "contexts.prod.url: must be text on one line"),
        ('[contexts."-u"]\nurl = "redis://h"', "contexts.-u: a context has a printable name"),
        ('[contexts.""]\nurl = "redis://h"', "contexts.: a context has a printable name"),
        ('[contexts."a\\u001b"]\nurl = "redis://h"', "contexts.a\\x1b: a context has a printable name"),
        ('[keys]\n"app.quit" = 3', "keys.app.quit: must be text on one line"),
        ('[console]\ntime = "utz"', "console.time: must be one of utc, local"),
        ("[console]\ninterval = 0", "console.interval: must be a number from 0.2 to 3600"),
        ("[console]\ninterval = nan", "console.interval: must be a number from"),
        ("[console]\ninterval = true", "console.interval: must be a number from"),
        ("[console]\nacsii = true", "unknown key console.acsii: did you mean 'ascii'?"),
        ("[secrets]\npatterns = ['']", "secrets.patterns: 100 texts at most, none of them empty"),
        (f"[secrets]\npatterns = {['x'] * 101}", "secrets.patterns: 100 texts at most"),
        ("[secrets]\npattern = ['x']", "unknown key secrets.pattern: did you mean 'patterns'?"),
        ("context =", "Invalid value (at end of document)"),
        ("x = " + "[" * 100_000, "cannot be read as TOML"),
        ("x = 1" + "0" * 10_000, "cannot be read as TOML"),
        (b"\xff", "not UTF-8 at byte 0"),
        ("#" * 300_000, "longer than 262144 bytes"),
        ("a: !!python/object/apply:os.system ['id']", "Expected '=' after a key"),
    ],
)
def test_what_is_wrong_is_one_line_with_file_and_key(read, tmp_path, text, message):
    with pytest.raises(ConfigError) as caught:
        read(text)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'config.toml'}: {message}")
    assert said.isprintable()
    assert "S3cr3t" not in said


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_file_is_read_or_refused_in_a_line(read, text):
    try:
        said = str(read(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text).path)
    except ConfigError as error:
        said = str(error)
    assert said.isprintable()


def test_no_password_is_in_what_can_be_printed(read):
    context = read('[contexts.prod]\nurl = "redis://u:S3cr3t@h:1/2"').contexts["prod"]
    assert "S3cr3t" not in repr(context)
    assert context.address == "h:1/2"
    assert context.read_url() == "redis://u:S3cr3t@h:1/2"


def test_a_url_in_a_file_of_its_own_is_read_when_it_is_needed(read, tmp_path):
    context = read('[contexts.prod]\nurl_file = "prod.url"').contexts["prod"]
    assert context.address == f"(in {tmp_path / 'prod.url'})"
    with pytest.raises(ConfigError, match="url_file of context 'prod': No such file"):
        context.read_url()
    (tmp_path / "prod.url").write_text("redis://:S3cr3t@h\n")
    (tmp_path / "prod.url").chmod(0o644)
    with pytest.raises(ConfigError, match="has mode 0644: others may read it"):
        context.read_url()
    (tmp_path / "prod.url").chmod(0o600)
    assert context.read_url() == "redis://:S3cr3t@h"
    (tmp_path / "prod.url").write_text("http://:S3cr3t@h\n")
    with pytest.raises(ConfigError, match="url_file of context 'prod': bad Redis URL") as caught:
        context.read_url()
    assert "S3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TASKCONSOLE_CONFIG": "/c/x.toml", "XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/c/x.toml"),
        ({"TASKCONSOLE_CONFIG": "", "XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/x/taskconsole/config.toml"),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/h"}, "/h/.config/taskconsole/config.toml"),
        ({"HOME": "/h"}, "/h/.config/taskconsole/config.toml"),
        ({}, None),
    ],
)
def test_where_it_is(environ, expected):
    assert settings_path(environ) == (Path(expected) if expected else None)


def test_a_file_that_is_not_there_says_nothing_unless_it_was_named(tmp_path):
    assert read_settings_file({"HOME": str(tmp_path)}) == SettingsFile()
    assert read_settings_file({}) == SettingsFile()
    with pytest.raises(ConfigError, match=r"TASKCONSOLE_CONFIG: there is no file .*/none"):
        read_settings_file({"TASKCONSOLE_CONFIG": str(tmp_path / "none")})
    with pytest.raises(ConfigError, match=r"cannot read .*: Is a directory"):
        read_settings_file({"TASKCONSOLE_CONFIG": str(tmp_path)})


def test_an_unknown_context_says_which_there_are(read):
    found = read(FULL)
    with pytest.raises(ConfigError, match=r"no context 'dve' in .*config.toml: did you mean 'dev'\?"):
        found.context("dve")
    with pytest.raises(ConfigError, match=r"no context 'zebra' in .*; there are: dev, prod eu"):
        found.context("zebra")
    with pytest.raises(ConfigError, match=r"no context 'dev': there is no config\.toml"):
        SettingsFile().context("dev")
    assert found.context("dev").name == "dev"
    assert os.environ.get("TASKCONSOLE_CONFIG") == os.devnull
