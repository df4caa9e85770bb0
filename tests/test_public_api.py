"""What `taskconsole` promises to have, and that the promised types are what mypy sees."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import taskconsole
from taskconsole import errors
from tests.servers import ROOT


def test_every_public_name_is_there_and_loads_when_it_is_used():
    for name in taskconsole.__all__:
        value = getattr(taskconsole, name)
        assert value.__name__ == name
        assert value.__module__.startswith("taskconsole.")
        # Found in the package itself from now on, at no further cost.
        assert vars(taskconsole)[name] is value


def test_the_names_for_type_checkers_are_the_public_ones():
    tree = ast.parse(inspect.getsource(taskconsole))
    (checked,) = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    imported = {alias.name for node in checked.body if isinstance(node, ast.ImportFrom) for alias in node.names}

    assert imported == set(taskconsole.__all__)


def test_all_is_sorted_and_listed():
    assert list(taskconsole.__all__) == sorted(taskconsole.__all__)
    assert set(taskconsole.__all__) <= set(dir(taskconsole))


def test_what_is_not_there_is_said_as_python_does():
    with pytest.raises(AttributeError, match="module 'taskconsole' has no attribute 'Nothing'"):
        getattr(taskconsole, "Nothing")  # noqa: B009 - said so plainly
    assert not hasattr(taskconsole, "__wrapped__")


def test_every_error_has_its_place_in_the_tree_and_an_exit_code():
    for name in errors.__all__:
        error = getattr(errors, name)
        assert issubclass(error, errors.TaskconsoleError)
        assert error.exit_code in {1, 2, 3, 4}


def modules():
    return [
        m.name for m in pkgutil.walk_packages(taskconsole.__path__, "taskconsole.") if m.name != "taskconsole.__main__"
    ]


@pytest.mark.parametrize("name", modules())
def test_a_module_says_what_it_is_for_and_what_it_offers(name):
    module = import_module(name)

    assert module.__doc__
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), f"{name}.__all__ names {public}"


def test_the_package_says_that_it_is_typed():
    assert (Path(taskconsole.__file__).parent / "py.typed").exists()


def test_right_calls_pass_the_type_checker_and_wrong_ones_do_not(tmp_path):
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--warn-unused-ignores",
            "--cache-dir",
            str(tmp_path),
            "tests/typing_usage.py",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
