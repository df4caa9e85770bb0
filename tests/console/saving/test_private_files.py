"""Files for the operator's eyes."""

from __future__ import annotations

import os
import stat

import pytest

from taskconsole.console.saving import private_files
from taskconsole.console.saving.private_files import NewFile, add_line, read_start, write_new, write_over


def over(directory, name, data):
    write_over(directory / name, data)


def line(directory, name, data):
    add_line(directory / name, data)


def growing(directory, name, data):
    file = NewFile(directory / name)
    try:
        file.write(data)
    finally:
        file.close()


WAYS = pytest.mark.parametrize("write", [write_new, over, line, growing])


@pytest.fixture(autouse=True)
def _open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@WAYS
def test_only_the_owner_may_read_it(write, tmp_path):
    write(tmp_path, "x", b"data")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600
    assert (tmp_path / "x").read_bytes().strip() == b"data"


@WAYS
def test_no_link_is_followed(write, tmp_path):
    target = tmp_path / "target"
    (tmp_path / "x").symlink_to(target)
    with pytest.raises(OSError):
        write(tmp_path, "x", b"data")
    assert not target.exists()
    target.write_text("precious")
    with pytest.raises(OSError):
        write(tmp_path, "x", b"data")
    assert target.read_text() == "precious"


@WAYS
def test_a_pipe_is_refused_without_waiting(write, tmp_path):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(OSError):
        write(tmp_path, "x", b"data")
    reader = os.open(tmp_path / "x", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(OSError):
            write(tmp_path, "x", b"data")
    finally:
        os.close(reader)


@pytest.mark.parametrize("write", [over, line])
def test_what_others_may_do_with_an_old_file_is_taken_away(write, tmp_path):
    (tmp_path / "x").write_text("before and longer\n")
    (tmp_path / "x").chmod(0o644)
    write(tmp_path, "x", b"data")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600
    assert (tmp_path / "x").read_text() in {"data", "before and longer\ndata\n"}


def test_a_new_file_leaves_an_old_one_alone(tmp_path):
    (tmp_path / "x").write_text("before")
    with pytest.raises(FileExistsError):
        write_new(tmp_path, "x", b"data")
    assert (tmp_path / "x").read_text() == "before"


def test_a_file_that_cannot_be_written_whole_is_not_left(tmp_path, monkeypatch):
    def full(file, data):
        os.write(file, data[:1])
        os.close(file)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_files, "_write_and_close", full)
    with pytest.raises(OSError, match="No space"):
        write_new(tmp_path, "x", b"data")
    assert list(tmp_path.iterdir()) == []


def test_lines_are_added_in_a_directory_made_for_them(tmp_path):
    path = tmp_path / "a" / "b" / "lines"
    for text in (b"one", b"two"):
        add_line(path, text)
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_reading_is_bounded_and_only_of_files(tmp_path):
    (tmp_path / "x").write_bytes(b"0123456789")
    assert read_start(tmp_path / "x", 4) == b"0123"
    (tmp_path / "link").symlink_to(tmp_path / "x")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "none", "."):
        with pytest.raises(OSError):
            read_start(tmp_path / name, 4)
