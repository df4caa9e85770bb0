"""A rig for each test of the transitions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.rig import Rig


@pytest.fixture
def rig(store_url: str) -> Iterator[Rig]:
    """A queue in an empty Redis."""
    made = Rig(store_url)
    yield made
    made.close()
