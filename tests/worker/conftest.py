"""Parts of a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.faultproxy import FaultProxy
from tests.worker.rig import MakeRig, Rig


@pytest.fixture
async def make_rig(store_url: str) -> AsyncIterator[MakeRig]:
    """Make rigs for the Redis under test."""
    rigs: list[Rig] = []

    def make(*queues: str, url: str = "", **options: object) -> Rig:
        rigs.append(Rig(url or store_url, *queues, **options))
        return rigs[-1]

    yield make
    for rig in rigs:
        await rig.close()


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    """Parts for the default queue, four tasks at a time."""
    return make_rig()


@pytest.fixture
def proxy(store_url: str):
    """A bad connection to the Redis under test."""
    with FaultProxy(store_url) as made:
        yield made
