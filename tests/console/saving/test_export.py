"""What leaves the console in files."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.console.saving.export import (
    ExportError,
    Kind,
    csv_text,
    destination,
    export,
    file_name,
    json_lines,
    save,
)
from tests.console.hostile_texts import HOSTILE

PATHS = [
    "../../etc/cron.d/x",
    "/abs",
    "a\0b",
    "x" * 300,
    "CON",
    "con.txt",
    "..",
    ".",
    "",
    "-rf",
    ".bashrc",
    "漢" * 200,
    "a/../b",
    "~root",
    "C:\\x",
    "\udcff",
]
DANGEROUS = [
    '=HYPERLINK("http://e","x")',
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =1",
    "\uff1d1",
    "\u00a0=1",
    "\tx",
    "\rx",
]


def parsed(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("text", DANGEROUS)
def test_no_cell_begins_like_a_formula(text):
    heading, row = parsed(csv_text([text], [[text]]))
    assert heading[0].startswith("'")
    assert row[0].startswith("'")


def test_numbers_stay_numbers_and_nothing_stays_empty():
    assert csv_text(["a", "b", "c", "d"], [[-5, 1.5, None, float("nan")]]) == "a,b,c,d\n-5,1.5,,\n"


def test_values_of_all_sorts_have_a_cell():
    row = [True, b"caf\xc3\xa9 \xff", [1, {"x": "=1"}], 'say "hi", twice', "two\nlines\x1b[2J"]
    assert parsed(csv_text(list("abcde"), [row]))[1] == [
        "true",
        "café \\xff",
        '[1, {"x": "=1"}]',
        'say "hi", twice',
        "two\\nlines\\x1b[2J",
    ]


@given(st.lists(st.lists(st.text() | st.sampled_from(DANGEROUS + HOSTILE), min_size=2, max_size=2), max_size=5))
def test_any_text_is_one_cell_of_one_line(rows):
    text = csv_text(["a", "b"], rows)
    lines = text.splitlines()
    assert len(lines) == len(rows) + 1
    assert all(line.isprintable() for line in lines)
    for row in parsed(text):
        assert len(row) == 2
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row)


@given(st.lists(st.text() | st.integers() | st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=4))
def test_json_is_exact_and_ascii(values):
    headings = [f"h{i}" for i in range(len(values))]
    text = json_lines(headings, [values, values])
    assert text.isascii()
    assert [list(json.loads(line).values()) for line in text.splitlines()] == [values, values]


def test_json_has_no_numbers_that_are_none_and_no_bytes():
    assert json_lines(["a", "b"], [[float("inf"), b"\xff"]]) == '{"a": null, "b": "\\\\xff"}\n'


@pytest.mark.parametrize("name", [*PATHS, *HOSTILE])
def test_any_name_is_a_file_in_the_directory(name, tmp_path):
    inside = tmp_path / "chosen"
    inside.mkdir()
    path = save(name, "csv", "data", inside)

    assert path.parent == inside
    assert [entry.name for entry in inside.iterdir()] == [path.name]
    assert [entry.name for entry in tmp_path.iterdir()] == ["chosen"]
    assert path.read_text() == "data"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(st.text(max_size=300) | st.sampled_from(PATHS))
def test_a_files_name_is_harmless(name):
    made = file_name(name, "csv")
    assert made.endswith(".csv")
    assert made[0] not in ".-"
    assert len(file_name(name, "csv", 1000).encode()) <= 255
    assert made.split(".")[0].upper() not in {"CON", "NUL", "AUX", "PRN", "COM1", "LPT9"}
    assert all(unicodedata.category(c)[0] in "LN" or c in "._-" for c in made)
    assert file_name(made.removesuffix(".csv"), "csv") == made


@pytest.mark.parametrize(
    ("name", "made"),
    [("mail", "mail.csv"), ("a b/c", "a_b_c.csv"), ("CON", "_CON.csv"), ("..", "export.csv"), ("über", "über.csv")],
)
def test_names_that_can_stay_stay(name, made):
    assert file_name(name, "csv") == made


def test_a_second_file_gets_a_number(tmp_path):
    (tmp_path / "mail-2.csv").symlink_to(tmp_path / "elsewhere")
    assert [save("mail", "csv", "x", tmp_path).name for _ in range(3)] == ["mail.csv", "mail-3.csv", "mail-4.csv"]
    assert not (tmp_path / "elsewhere").exists()


def test_there_is_an_end_to_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("taskconsole.console.saving.export.MAX_NUMBER", 2)
    for _ in range(2):
        save("mail", "csv", "x", tmp_path)
    with pytest.raises(ExportError, match=r"there are 2 files like mail-2\.csv"):
        save("mail", "csv", "x", tmp_path)


def test_without_a_directory_it_is_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert save("mail", "svg", b"<svg/>") == tmp_path / "mail.svg"


def test_what_cannot_be_written_is_said_in_a_line(tmp_path):
    with pytest.raises(ExportError, match=r"cannot write .*none.*: No such file") as caught:
        save("mail", "csv", "x", tmp_path / "none\n\x1b")
    assert str(caught.value).isprintable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_is_not_ours_is_said(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ExportError, match="Permission denied"):
        save("mail", "csv", "x", tmp_path)


def test_rows_are_exported_in_both_ways(tmp_path):
    for kind, content in ((Kind.CSV, "queue,n\nmail,3\n"), (Kind.JSON, '{"queue": "mail", "n": 3}\n')):
        path = export(kind, ["queue", "n"], [["mail", 3]], name="queues", directory=tmp_path)
        assert path == tmp_path / f"queues.{kind}"
        assert path.read_text() == content


def test_an_operator_may_name_a_file_a_directory_or_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for typed, expected in [
        ("", (".", "mail")),
        ("out", (".", "out")),
        ("out.csv", (".", "out")),
        ("out.JSON", (".", "out")),
        ("v1.2", (".", "v1.2")),
        (str(tmp_path), (str(tmp_path), "mail")),
        (f"{tmp_path}/sub/out.csv", (f"{tmp_path}/sub", "out")),
        ("~/out.csv", (str(tmp_path), "out")),
    ]:
        directory, name = destination(typed, "mail")
        assert (str(directory), name) == expected


@pytest.mark.parametrize("typed", ["~nobody-of-that-name\x1b/x", "x" * 5000, "a\0b"])
def test_a_place_that_cannot_be_is_said_in_a_line(typed):
    with pytest.raises(ExportError) as caught:
        save("x", "csv", "data", destination(typed + "/x", "mail")[0])
    assert str(caught.value).isprintable()
