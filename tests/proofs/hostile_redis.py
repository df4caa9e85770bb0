"""A Redis in which everything that has a name or a text is hostile: each text in each place that is shown."""

from __future__ import annotations

import json
import time

from tests.console.hostile_texts import HOSTILE

QUEUE = "mail"

RAW = [b"\x9b31m", b"\x9d52;c;ZXZpbA==\x9c", b"\xff\xfe\x00", b"\xed\xa0\x80", b"\xc2\x9b2J", b"\xf0\x9f"]
"""Bytes that are no UTF-8, or that a terminal of 8 bits would act upon."""

NO_JSON = [
    b"[" * 100_000,
    b'{"task":' * 20_000,
    b'{"task":"big","args":[' + b"9" * 5_000 + b"]}",
    b'{"task":"inf","args":[1e999999],"enqueued_at":1e999999}',
    b'{"task":"nan","args":[NaN],"enqueued_at":NaN}',
    b'{"task":"twice","id":"a","id":"b","task":"again"}',
    b'{"task":"proto","kwargs":{"__proto__":1,"constructor":{"prototype":1}}}',
    b'{"task":"types","id":7,"args":"none","kwargs":[1],"attempt":"x","errors":{"a":1},"enqueued_at":"soon"}',
    b'{"task":"errors","id":"e","errors":[1,null,{"error":[],"traceback":{},"at":"x","ms":[],"attempt":1e308}]}',
    b'{"task":"far","id":"f","enqueued_at":1e300,"attempt":9223372036854775808,"redelivered":-1}',
    b'{"task":"\\ud800 lone","id":"\\udc00"}',
    b"",
]
"""Payloads that a parser may choke on."""


def as_bytes(text):
    """The text as a client would send it; what is no UTF-8 goes as it is."""
    return text.encode("utf-8", "surrogatepass")


def envelopes(text, n):
    """A task that is hostile all over, once with its text escaped in JSON and once as it is."""
    task = {
        "task": text,
        "id": f"{n}{text}",
        "args": [text, {"password": "arg-hunter2"}],
        "kwargs": {text: text, "api_token": "kw-hunter2"},
        "enqueued_at": round(time.time() - 60 - n, 3),
        "attempt": 2,
        "meta": {text: text},
        "errors": [
            {
                "error": f"{text}: {text}",
                "traceback": f'Traceback:\n  File "{text}"\n{text}\n',
                "at": time.time(),
                "attempt": 1,
                "worker": text,
                "ms": 3,
            }
        ],
    }
    escaped = json.dumps(task).encode()
    plain = json.dumps({**task, "id": f"p{n}{text}"}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return [escaped, plain]


def fill(client, *, large=2_000_000):
    """Every place of one queue, and the names of many others; the largest element has `large` bytes."""
    now = time.time()
    names = [as_bytes(f"{n}{text}")[:190] for n, text in enumerate(HOSTILE)] + RAW
    client.sadd("taskconsole:queues", QUEUE, "task_queue", *names, b"../../etc/cron.d/x", b"=HYPERLINK(1)")
    payloads = [each for n, text in enumerate(HOSTILE) for each in envelopes(text, n)]
    payloads += [as_bytes(text) for text in HOSTILE] + RAW + NO_JSON + [b"x" * large, b'{"task":"' + b"y" * large]
    payloads += [b"=HYPERLINK(1)", b"+1", b"-1", b"@SUM(1)", b"\tx", b"\rx"]
    client.lpush(QUEUE, *payloads)
    members = {payload: now + n - 20 for n, payload in enumerate(payloads)}
    client.zadd(f"{{{QUEUE}}}:delayed", members)
    client.zadd("delayed_tasks", {as_bytes(text): now + 60 for text in HOSTILE})
    client.zadd(f"{{{QUEUE}}}:dead", {payload: now - n for n, payload in enumerate(payloads)})
    client.lpush(f"{{{QUEUE}}}:done", *payloads, *_done(now))
    for n, text in enumerate(HOSTILE):
        _worker(client, f"w{n}{text}", text, payloads[2 * n : 2 * n + 2], now)
        _schedule(client, f"s{n}{text}", text, now)
        _pause(client, names[n], text, now)
        _log(client, text, now)
    for raw in RAW:
        client.hset(f"{{{QUEUE}}}:schedules", raw, raw)
        client.zadd(f"{{{QUEUE}}}:next", {raw: now + 5})
    client.set(f"{{{QUEUE}}}:paused", json.dumps({"by": HOSTILE[0], "at": now, "reason": HOSTILE[1]}))
    client.hset(
        f"{{{QUEUE}}}:stats", mapping={"done": "\x1b[2J", "failed": "1e999", "dead_dropped": 3, "poisoned_at": int(now)}
    )
    client.config_set("slowlog-log-slower-than", 0)
    for text in HOSTILE:
        client.get(as_bytes(text))
    client.config_set("slowlog-log-slower-than", 10_000)


def _done(now):
    return [json.dumps({"task": text, "id": text, "ms": 1.5, "worker": text, "at": now}).encode() for text in HOSTILE]


def _worker(client, wid, text, payloads, now):
    name = as_bytes(wid)
    tag = b"{%s}:" % QUEUE.encode()
    live = len(wid) % 2
    client.zadd(tag + b"workers", {name: int((now + (600 if live else -60)) * 1000)})
    client.hset(
        tag + b"worker:" + name,
        mapping={
            "host": as_bytes(text),
            "pid": as_bytes(text),
            "version": as_bytes(text),
            "tasks": as_bytes(text),
            "queues": as_bytes(text),
            "started": now - 60,
            "seen": now,
            "concurrency": 4,
            "active": 2,
            "rss": 4_000_000,
            "blocked": 1.5,
            "skew": 99.0,
            "lease": 15,
            "running": json.dumps([[text, text, now - 5], [1, 2], None, "x"]),
        },
    )
    client.lpush(tag + b"processing:" + name, *payloads)


def _schedule(client, name, text, now):
    field = as_bytes(name)
    tag = b"{%s}:" % QUEUE.encode()
    definition = json.dumps({"cron": "* * * * *", "tz": "UTC", "task": text, "args": [text], "owner": text})
    client.hset(tag + b"schedules", field, definition)
    client.hset(tag + b"schedules", b"bad " + field, as_bytes(text))
    client.hset(tag + b"schedules", b"zone " + field, json.dumps({"cron": text, "tz": text, "task": text}))
    client.zadd(tag + b"next", {field: now + 30, b"bad " + field: now - 600})
    client.lpush(
        tag + b"runs:" + field,
        json.dumps({"outcome": text, "at": now, "id": text, "instant": now, "ms": 1, "worker": text, "error": text}),
    )
    client.hset(tag + b"running", field, json.dumps({text: now}))


def _pause(client, name, text, now):
    client.set(b"{%s}:paused" % name, json.dumps({"by": text, "at": now, "reason": text}))


def messages(text):
    """What may be published about it: an event of ours, a stranger's, and no JSON at all."""
    now = time.time()
    known = {"id": text, "task": text, "worker": text, "ms": 1.5, "attempt": 2, "text": text}
    return [
        json.dumps({"event": "died", "queue": text, "n": 3, "at": now, "tasks": [known], "by": text}),
        json.dumps({"event": "paused", "queue": QUEUE, "n": 1, "at": now, "by": text, "text": text}),
        json.dumps({"event": text, "queue": text}),
        as_bytes(text),
    ]


def _log(client, text, now):
    for message in messages(text)[:3]:
        client.xadd(f"{{{QUEUE}}}:log", {"e": message})
    client.xadd(f"{{{QUEUE}}}:log", {as_bytes(text): as_bytes(text)})


def strange_messages():
    """Wrong in other ways: too large, no UTF-8, numbers that are none."""
    return [
        b"x" * 1_000_000,
        b'{"event":"done","tasks":[' + b'{"id":"y"},' * 90_000 + b"{}]}",
        *RAW,
        b'{"event":"done","n":1e308,"at":1e308,"tasks":[{"ms":1e308,"attempt":1e308}]}',
        b'{"event":"done","n":-5,"at":-1e300,"tasks":[]}',
        b'{"event":["done"],"tasks":7}',
        b'{"event":"done","tasks":' + b"[" * 60_000,
        b"[" * 60_000,
    ]


def publish(client):
    """All of them, on the channel of the queue."""
    for text in HOSTILE:
        for message in messages(text):
            client.publish(f"{QUEUE}_channel", message)
    for message in strange_messages():
        client.publish(f"{QUEUE}_channel", message)
