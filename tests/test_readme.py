"""What the README says is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from taskconsole.console.actions import key_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_key_table_is_the_one_the_actions_give():
    assert key_table().strip() in README


def test_every_file_the_readme_points_to_is_there():
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    assert [] == [target for target in targets if not (ROOT / target).exists()]
