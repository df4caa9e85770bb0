"""How much to claim, from which queue, and how to wait when there is nothing.

A worker asks for its free slots and for what it will finish in the next few milliseconds, or before Redis can answer
where that takes longer, never more: a flood of short tasks is claimed by the hundred, one-second tasks one by one, so
that a backlog spreads over the workers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from taskconsole.errors import AccessDenied, StoreError, StoreUnavailable
from taskconsole.worker.logs import RateLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.worker.lane import Lane
    from taskconsole.worker.options import WorkerOptions
    from taskconsole.worker.pool import Pool

__all__ = ["Fetcher"]

log = logging.getLogger(__name__)

AHEAD, MOST_AHEAD = 0.015, 0.5
"""Seconds of work to have in hand beyond the free slots. The first, or more where Redis is far: what is asked for comes
a trip later and is to last for another, but no more than the second."""

WORTHWHILE = 32
"""Tasks that are worth a round trip of their own while others wait to be run."""

ACK_DELAY = 0.005
"""Seconds a finished task may wait for others to be acknowledged with."""

FIRST_WAIT_PAUSE, LONGEST_WAIT_PAUSE = 0.05, 2.0
"""Seconds a queue is only polled after a blocking wait at it failed."""

PAUSED_POLL = 0.25
"""Seconds between looks at a paused or broken queue: a blocking move would not see the pause."""

CHECK = 30.0
"""Seconds between comparisons of our list in Redis with what is in hand, without a reason."""


class Fetcher:
    """Keeps the pool fed from the lanes."""

    def __init__(self, lanes: Sequence[Lane], pool: Pool, options: WorkerOptions) -> None:
        self._lanes, self._pool, self._options = lanes, pool, options
        self._nudge = asyncio.Event()
        self._dirty = asyncio.Event()
        self._waiters: dict[Lane, asyncio.Task[bytes | None]] = {}
        self._waited_as: dict[Lane, int] = {}
        """The lane's generation when its wait began."""
        self._wait_pause: dict[Lane, float] = {}
        self._complain = RateLimit(10)
        self._stopping = False
        self._attending = False
        self._rate = 0.0
        self._measured = (0.0, 0)
        self._mean_bytes = 128.0
        self._recheck: dict[Lane, float] = dict.fromkeys(lanes, time.monotonic() + CHECK)

    def nudge(self) -> None:
        """Look again: a slot is free, something is finished, a lane is in doubt. From the loop's thread."""
        self._nudge.set()
        self._dirty.set()

    # -- the loop

    async def run(self) -> None:
        """Until stopped; with `burst`, until there is nothing left to do.

        Raises:
            AccessDenied: Redis no longer lets us.
        """
        while not self._stopping:
            try:
                if await self.run_once() or not self._options.burst or self._stopping:
                    continue
                if await self._all_done():
                    return
                await asyncio.sleep(PAUSED_POLL)
            except AccessDenied:
                raise
            except (StoreError, StoreUnavailable) as error:
                log.error("queue cannot be served", extra={"reason": str(error)})  # noqa: TRY400 - one line says it
                await asyncio.sleep(1.0)

    async def run_once(self) -> int:
        """Wait for room, ask each queue at which nobody waits; when all were empty, wait for a task.

        Returns how many were claimed.
        """
        await self._wait_for_room()
        if self._stopping:
            return 0
        claimed = await self._hear()
        for lane in self._lanes:
            if lane.suspect or self._check_due(lane):
                try:
                    await self._reconcile(lane)
                except StoreError as error:
                    self._refused(lane, error)
                    await asyncio.sleep(PAUSED_POLL)
        for i in self._options.queues.order():
            lane = self._lanes[i]
            if lane in self._waiters:
                continue  # Redis would have answered if there was anything
            asked = self.appetite()
            if asked <= 0:
                return claimed
            claimed += await self._claim(lane, asked)
        if claimed == 0 and not self._options.burst and not any(lane.suspect for lane in self._lanes):
            claimed = await self._wait_for_task()
        return claimed

    async def _wait_for_room(self) -> None:
        while self.appetite() <= 0 and not self._stopping:
            if any(lane.suspect for lane in self._lanes) or any(waiter.done() for waiter in self._waiters.values()):
                return
            if self._pool.ready and self._pool.free > 0 and time.monotonic() < self._pool.good_until:
                # Idle runners are about to take these, and then there is room.
                await asyncio.sleep(0)
                continue
            self._nudge.clear()
            await self._nudge.wait()

    def _check_due(self, lane: Lane) -> bool:
        """Time to compare lists; not while a blocking move is under way, whose task could be found and heard of."""
        return lane not in self._waiters and time.monotonic() > self._recheck[lane]

    def appetite(self) -> int:
        """How many more tasks to ask for now; 0 or less when there is enough in hand."""
        grow = max(lane.grow for lane in self._lanes)
        pool, options = self._pool, self._options
        # While there is nothing to run nothing can be learned of how quick we are.
        busy, finished = pool.busy, pool.finished
        then, before = self._measured
        if busy - then >= ACK_DELAY:
            self._rate = 0.5 * self._rate + 0.5 * (finished - before) / (busy - then)
            self._measured = (busy, finished)
        if time.monotonic() >= pool.good_until:
            return 0
        pool.ahead = min(max(AHEAD, *(2 * lane.trip for lane in self._lanes)), MOST_AHEAD)
        in_hand = pool.running + len(pool.ready) + sum(lane.unsettled for lane in self._lanes)
        wanted = pool.free + int(self._rate * pool.ahead)
        by_size = max(1, int(options.max_bytes / self._mean_bytes))
        asked = min(wanted, options.max_held - in_hand, options.max_claim, by_size)
        # While there is work in hand a small claim costs a round trip that a later, larger one saves.
        return 0 if asked < min(WORTHWHILE, grow) and pool.ready else asked

    async def _claim(self, lane: Lane, asked: int) -> int:
        """Claim from one lane; returns how many tasks there are to run."""
        try:
            claimed = await lane.step(asked, lane.grow)
        except StoreError as error:
            self._refused(lane, error)
            return 0
        if claimed is None:
            return 0  # the lane started anew; what was in its list has gone back
        payloads = claimed.payloads
        if payloads:
            self._mean_bytes += 0.2 * (sum(map(len, payloads)) / len(payloads) - self._mean_bytes)
        # Double as long as the queue gives all we ask for, as TCP does: two workers that start share a burst.
        full = len(payloads) >= min(asked, lane.grow)
        lane.grow = min(2 * lane.grow, self._options.max_claim) if full else max(1, len(payloads))
        if payloads:
            self._pool.feed(lane, payloads)
        return len(payloads)

    @staticmethod
    def _refused(lane: Lane, error: StoreError) -> None:
        """Leave one queue aside for a moment: the others are to be served all the same."""
        if isinstance(error, AccessDenied):
            raise error
        if lane.trouble != str(error):
            log.error("queue cannot be served", extra={"queue": lane.queue, "reason": str(error)})
        lane.trouble = str(error)

    # -- waiting

    async def _wait_for_task(self) -> int:
        """Wait until a task comes, or something else must be looked at; returns how many tasks there are to run."""
        self._nudge.clear()
        self._attending = True
        nudged = asyncio.create_task(self._nudge.wait(), name="nudged")
        try:
            while not nudged.done():
                blocked = self._start_waiting()
                done, _ = await asyncio.wait(
                    [*self._waiters.values(), nudged],
                    timeout=PAUSED_POLL if blocked else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                total = await self._hear()
                if not done or total or any(lane.suspect or lane.trouble for lane in self._lanes):
                    return total
                if any(self._check_due(lane) for lane in self._lanes):
                    return 0
        finally:
            self._attending = False
            nudged.cancel()
        return 0

    async def _hear(self) -> int:
        """Take in what blocking waits have brought; returns how many tasks there are to run."""
        arrived = [(lane, waiter) for lane, waiter in self._waiters.items() if waiter.done()]
        for lane, _ in arrived:
            del self._waiters[lane]
        total = 0
        for lane, waiter in arrived:
            try:
                total += await self._arrived(lane, waiter)
            except StoreError as error:
                self._refused(lane, error)
        if total:
            # What has come is started before more is asked for.
            await asyncio.sleep(0)
        return total

    def _ended(self, waiter: asyncio.Task[bytes | None]) -> None:
        if not waiter.cancelled():
            waiter.exception()  # looked at, or asyncio complains of one that ends when nobody is there to hear it
        # A wait goes on while tasks of other queues run: what it brings must not lie here unseen.
        if not self._attending:
            self._nudge.set()

    def _start_waiting(self) -> bool:
        """See that somebody waits at every queue; True when some queue can only be polled."""
        blocked = False
        for lane in self._lanes:
            if lane.paused or lane.trouble or time.monotonic() < lane.wait_again:
                blocked = True
            elif lane not in self._waiters:
                waiter = asyncio.create_task(lane.wait_for_one(), name=f"wait for {lane.queue}")
                waiter.add_done_callback(self._ended)
                self._waiters[lane] = waiter
                self._waited_as[lane] = lane.generation
        return blocked

    async def _arrived(self, lane: Lane, waiter: asyncio.Task[bytes | None]) -> int:
        try:
            payload = waiter.result()
        except (StoreUnavailable, StoreError) as error:
            if isinstance(error, AccessDenied):
                raise
            self._wait_failed(lane, error)
            return 0
        self._wait_pause.pop(lane, None)
        if payload is None:
            return 0
        if self._waited_as[lane] != lane.generation:
            # It came to the list of a former lease; perhaps when that had been emptied.
            await lane.empty_former(self._waited_as[lane])
            return 0
        if lane.paused or self._pool.free <= 0:
            await lane.give_back([payload])
            return 0
        self._pool.feed(lane, [payload])
        return 1

    def _wait_failed(self, lane: Lane, error: Exception) -> None:
        """Only poll this queue for a while, the longer the more often it happens in a row."""
        pause = min(2 * self._wait_pause.get(lane, FIRST_WAIT_PAUSE / 2), LONGEST_WAIT_PAUSE)
        self._wait_pause[lane] = pause
        lane.wait_again = time.monotonic() + pause
        if isinstance(error, StoreUnavailable):
            # The task may have been moved and its name lost with the connection.
            lane.suspect = True
        if self._complain(f"{lane.queue} {type(error).__name__}"):
            log.warning("cannot wait at a queue, polling it", extra={"queue": lane.queue, "reason": str(error)})

    async def _stop_waiting(self, lane: Lane) -> bytes | None:
        """End a blocking wait; the task it may have brought."""
        waiter = self._waiters.pop(lane, None)
        if waiter is None:
            return None
        waiter.cancel()
        await asyncio.wait([waiter])
        await lane.drop_waiter()
        if waiter.cancelled() or waiter.exception() is not None:
            return None
        return waiter.result()

    async def _reconcile(self, lane: Lane) -> None:
        """Start what Redis has in our list and we do not know of.

        A blocking move that was lost with its connection may still be carried out until its time is over:
        one more look after that.
        """
        doubtful = lane.suspect
        if doubtful and await lane.step(0) is None:
            lane.suspect = False
            return  # it was fenced and has started anew, with nothing in hand
        # A task this wait has brought is in the list as well: it is found there like any other.
        await self._stop_waiting(lane)
        if doubtful:
            # The connection it used may lead to a server that is the master no more.
            await lane.drop_waiter()
        unknown = await lane.reconcile()
        self._recheck[lane] = time.monotonic() + (self._options.block + 1.0 if doubtful else CHECK)
        if unknown:
            log.warning("found tasks whose arrival was not heard", extra={"queue": lane.queue, "n": len(unknown)})
            if lane.paused:
                # A blocking move does not look at the pause: these may have come after it.
                await lane.give_back(unknown[::-1])
            else:
                self._pool.feed(lane, unknown)

    # -- acks

    async def run_acks(self) -> None:
        """Tell Redis what is finished, soon, when claiming does not do it anyway; until cancelled."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await asyncio.sleep(ACK_DELAY)
            for lane in self._lanes:
                # What is under way may be followed by a claim that tells it, too.
                if lane.unsettled and await lane.idle() and time.monotonic() - lane.stepped >= ACK_DELAY / 2:
                    try:
                        await lane.flush()
                    except AccessDenied:
                        raise
                    except StoreError as error:
                        if self._complain(f"{lane.queue} results"):
                            log.error("results not recorded", extra={"queue": lane.queue, "reason": str(error)})  # noqa: TRY400
                        await asyncio.sleep(1.0)
                if lane.unsettled:
                    self._dirty.set()
            # What was told has left our hands: there may be room for more.
            self._nudge.set()

    # -- ending

    async def _all_done(self) -> bool:
        await self._pool.wait_empty()
        for lane in self._lanes:
            await lane.flush()
        return all([await lane.is_empty() for lane in self._lanes])

    def stop(self) -> None:
        """Let `run` end as soon as the call that is under way has been answered."""
        self._stopping = True
        self._nudge.set()

    async def return_unstarted(self) -> None:
        """Give back everything that was not started, after `run` has ended."""
        waiting = self._pool.take_back()
        for lane in self._lanes:
            try:
                await self._stop_waiting(lane)
                # What waited for a runner has left our hands: it is among the unknown now.
                unknown = await lane.reconcile()
                if unknown:
                    await lane.give_back(unknown[::-1])
            except AccessDenied:
                raise
            except StoreError as error:
                extra = {"queue": lane.queue, "reason": str(error)}
                log.warning("could not return unstarted tasks", extra=extra)
        returned = sum(map(len, waiting.values()))
        if returned:
            log.info("returned unstarted tasks", extra={"n": returned})
