"""What workers tell of their tasks: those of today, of yesterday, the dead and strangers."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from taskconsole.app import App
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.model.signature import Parameter, Signature
from tests.servers import eventually
from tests.worker.rig import running

ONE = Signature(task="send", parameters=(Parameter(name="to", annotation="str"),))


@pytest.fixture
def backend(store_url):
    backend = NativeBackend(Settings(url=store_url))
    yield backend
    backend.close()


@pytest.fixture
def worker(raw):
    def worker(wid, queue="mail", *, alive=True, **fields):
        raw.sadd("taskconsole:queues", queue)
        raw.zadd(f"{{{queue}}}:workers", {wid: int((time.time() + (60 if alive else -60)) * 1000)})
        raw.hset(f"{{{queue}}}:worker:{wid}", mapping=fields)

    return worker


def test_each_task_comes_once_for_every_way_in_which_a_worker_has_it(backend, worker):
    told = json.dumps({"send": [["to", "e", "str"]]})
    worker("new", tasks="send,more", signatures=told)
    worker("new", "other", tasks="send", signatures=told)
    worker("newer", tasks="send", signatures=json.dumps({"send": []}))
    worker("old", tasks="send,bare")
    worker("gone", alive=False, tasks="lost")
    assert backend.signatures() == [
        Signature(task="bare"),
        Signature(task="more"),
        Signature(task="send"),
        Signature(task="send", parameters=()),
        ONE,
    ]


def test_a_stranger_among_them_is_passed_over(backend, worker):
    worker("w", tasks="send", signatures=json.dumps({"send": [["to", "e", "str"]]}))
    worker("x", tasks="y", signatures=b"\xff" * 100_000)
    assert backend.signatures() == [ONE, Signature(task="y")]


def test_nobody_tells_anything_where_there_is_nobody(backend):
    assert backend.signatures() == []


async def test_what_a_real_worker_tells_is_what_its_code_says(backend, store_url, raw):
    app = App(store_url)

    @app.task(queue="mail")
    async def send_mail(to: str, subject: str = "hello") -> None: ...

    async with running(app):
        await eventually(lambda: raw.info("clients")["blocked_clients"])
        found = await asyncio.to_thread(backend.signatures)
    assert [str(signature) for signature in found] == ["send_mail(to: str, subject: str = …)"]
