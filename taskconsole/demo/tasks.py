"""The sample App: tasks that are quick, slow, unreliable, delayed or scheduled, as in a small web shop."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time

from taskconsole.app import App

__all__ = ["BILLING", "DEFAULT", "MAIL", "QUEUES", "REPORTS", "WEBHOOKS", "app"]

MAIL, REPORTS, DEFAULT, BILLING, WEBHOOKS = "mail", "reports", "task_queue", "billing", "webhooks"
QUEUES = (MAIL, REPORTS, DEFAULT, BILLING, WEBHOOKS)

STOLEN = 13
"""Cents of an amount that is declined at every attempt."""

app = App()


class CardDeclined(Exception):
    """The bank said no."""


class PartnerDown(Exception):
    """The other side does not answer."""


@app.task(queue=MAIL)
async def send_mail(to: str, subject: str = "hello") -> str:
    """Quick, waiting for a network."""
    await asyncio.sleep(random.uniform(0.005, 0.08))
    return f"{subject} -> {to}"


@app.task(queue=MAIL)
async def send_reminder(to: str) -> None:
    """Enqueued with a delay."""
    await send_mail(to, "your basket is waiting")


@app.task(queue=DEFAULT)
def sync_user(user: int) -> int:
    """Quick, in a thread."""
    time.sleep(random.uniform(0.001, 0.02))
    return user


@app.task(queue=DEFAULT)
def task1() -> None:
    """What `LPUSH task_queue task1` runs."""
    time.sleep(0.002)


@app.task(queue=REPORTS, timeout=60)
async def build_report(month: str, rows: int) -> str:
    """Slow."""
    await asyncio.sleep(random.uniform(1.0, 5.0))
    return f"{month}: {rows} rows"


@app.task(queue=BILLING, retries=2, backoff=3.0)
async def charge_card(order: int, cents: int) -> None:
    """Fails now and then and succeeds when it is tried again; some amounts never do."""
    await asyncio.sleep(random.uniform(0.05, 0.3))
    if cents % 100 == STOLEN:
        raise CardDeclined(f"order {order}: card reported stolen")
    if random.random() < 0.1:
        raise CardDeclined(f"order {order}: insufficient funds")


@app.task(queue=WEBHOOKS, retries=4, backoff=2.0)
async def deliver_webhook(order: int, event: str) -> None:
    """Depends on somebody else's server."""
    await asyncio.sleep(random.uniform(0.02, 0.2))
    if random.random() < 0.03:
        raise PartnerDown(f"{event} for order {order}: 502 Bad Gateway")


@app.every("10s", overlap="skip")
@app.task(queue=DEFAULT)
async def sweep_baskets() -> None:
    """Often; skipped while the one before is still at it."""
    await asyncio.sleep(random.uniform(0.1, 0.4))


@app.cron("* * * * *", name="stock of Berlin", tz="Europe/Berlin", args=["berlin"], jitter=5)
@app.cron("*/5 * * * *", name="stock of Lisbon", tz="Europe/Lisbon", args=["lisbon"])
@app.task(queue=REPORTS, timeout=60)
async def count_stock(store: str) -> str:
    """Two schedules of one task."""
    await asyncio.sleep(random.uniform(0.5, 2.0))
    return store


@app.cron("15 3 * * *", tz="Europe/Berlin", catch_up="all", overlap="buffer_one")
@app.task(queue=BILLING)
async def bill_the_day() -> None:
    """At night, and for every night that was missed."""
    await asyncio.sleep(1.0)


@app.at(dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
@app.task(queue=BILLING)
async def raise_prices() -> None:
    """Once."""
