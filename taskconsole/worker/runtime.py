"""Worker: one process's services, started together and stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from taskconsole import __version__
from taskconsole.errors import AccessDenied, ConfigError, StoreError, StoreFull, StoreNotReady, TaskconsoleError
from taskconsole.model.signature import encode_signatures
from taskconsole.store.call import command
from taskconsole.store.keys import Namespace
from taskconsole.store.opening import open_async_wire
from taskconsole.store.operations import OperationStore
from taskconsole.store.reading import ReadingStore
from taskconsole.store.schedules import ScheduleStore
from taskconsole.store.tasks import TaskStore
from taskconsole.store.wire import AsyncWire, check_version
from taskconsole.store.workers import WorkerStore
from taskconsole.worker.carrier import Carrier
from taskconsole.worker.definitions import Definitions
from taskconsole.worker.discarder import Discarder
from taskconsole.worker.fetcher import Fetcher
from taskconsole.worker.heartbeat import Heartbeat, resident_memory
from taskconsole.worker.lane import Lane
from taskconsole.worker.logs import RateLimit
from taskconsole.worker.options import WorkerOptions
from taskconsole.worker.pool import Pool
from taskconsole.worker.promoter import Promoter
from taskconsole.worker.reclaimer import Reclaimer
from taskconsole.worker.recorder import Recorder
from taskconsole.worker.registrar import Registrar
from taskconsole.worker.server_clock import ServerClock
from taskconsole.worker.sums import Sums
from taskconsole.worker.sweeper import Sweeper
from taskconsole.worker.ticker import Ticker
from taskconsole.worker.wakeups import Wakeups
from taskconsole.worker.whereabouts import Whereabouts

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from taskconsole.config import Settings
    from taskconsole.registry import Registry
    from taskconsole.store.workers import Abort

__all__ = ["Worker", "run_worker"]

log = logging.getLogger(__name__)

KEEP_TIME = 10.0
"""Seconds between looks at the clock of Redis by a scheduler."""

LAST_WORDS = 5.0
"""Seconds for the last acks when everything else has ended."""


class Worker:
    """Runs the tasks of some queues until told to stop.

    Args:
        registry: What can be run.
        settings: Where Redis is.
        options: Which queues, how many at a time.
        lifespan: An async context manager around all work, or None.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        settings: Settings,
        options: WorkerOptions | None = None,
        lifespan: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
    ) -> None:
        self.options = options or WorkerOptions()
        self.registry, self.settings, self.lifespan = registry, settings, lifespan
        self.host = socket.gethostname()
        self.id = f"{self.host[:40]}-{os.getpid()}-{secrets.token_hex(3)}"
        self.started = 0.0
        self.outgrown = False
        """It has ended because there are queues that it does not serve."""
        self.clock = ServerClock()
        self._complain = RateLimit(10)
        self._stopping = asyncio.Event()
        self._quiet = asyncio.Event()
        self._wires: list[AsyncWire] = []
        self._returns: set[asyncio.Task[None]] = set()

    # -- telling it what to do, from the loop's thread

    def stop(self) -> None:
        """Claim nothing more, finish what runs (at most the grace period), give back the rest, end."""
        if not self._stopping.is_set():
            log.info("stopping", extra={"worker": self.id})
        self._stopping.set()

    def quiet(self) -> None:
        """Claim nothing more; finish what runs; stay."""
        if not self._quiet.is_set():
            log.info("quiet", extra={"worker": self.id})
        self._quiet.set()
        self.fetcher.stop()

    def _command(self, wanted: str) -> None:
        if wanted == "stop":
            self.stop()
        elif wanted == "quiet":
            self.quiet()
        else:
            log.warning("unknown command", extra={"command": wanted[:50]})

    def _abort(self, lane: Lane, wanted: Abort) -> None:
        found = self.pool.abort(lane, wanted.digest, wanted.by)
        log.info("abort", extra={"queue": lane.queue, "by": wanted.by[:100], "found": found})

    # -- running

    async def run(self) -> None:
        """Work until stopped; returns when everything has been given back and signed off.

        Raises:
            StoreUnavailable: No Redis at the start.
            AccessDenied: Redis does not let us, at the start or later.
        """
        self._wire, self._side = self._new_wire(), self._new_wire()
        await self._connect()
        async with contextlib.AsyncExitStack() as stack:
            if self.lifespan is not None:
                await stack.enter_async_context(self.lifespan())
            try:
                if not self._stopping.is_set():
                    await self._work()
            finally:
                for wire in self._wires:
                    await wire.close()

    def _new_wire(self) -> AsyncWire:
        wire = open_async_wire(self.settings)
        self._wires.append(wire)
        return wire

    async def _connect(self) -> None:
        """Wait until Redis lets us in; only for one that is loading is it worth waiting."""
        while not self._stopping.is_set():
            sent = time.monotonic()
            try:
                now = await self._wire.run(ReadingStore.time())
                info = await self._wire.run(command("INFO", "server", parse=lambda r: r.decode("utf-8", "replace")))
                # These two are answered while Redis loads; this one is not.
                await self._wire.run(command("EXISTS", Namespace(self.settings.prefix).queues, parse=int))
            except StoreNotReady as error:
                if self._complain("loading"):
                    log.warning("waiting for Redis", extra={"reason": str(error)})
                await asyncio.sleep(0.25)
            else:
                self.clock.set(now, sent, time.monotonic())
                check_version(info, self.settings.address)
                return

    def _build(self) -> None:
        """Make the services; nothing runs yet."""
        options, settings = self.options, self.settings
        names = Namespace(settings.prefix)
        self._store = store = TaskStore(names)
        workers = WorkerStore(names)
        self.pool = Pool(self.registry, options=options, clock=self.clock, on_room=self._on_room)
        self.lanes = [
            Lane(
                queue,
                self.id,
                settings=settings,
                options=options,
                store=store,
                workers=workers,
                wire=self._wire,
                sums=Sums(),
                clock=self.clock,
                in_hand=self.pool.in_hand,
            )
            for queue in options.queues.names
        ]
        for lane in self.lanes:
            lane.on_fenced = self._fenced
        self.fetcher = Fetcher(self.lanes, self.pool, options)
        self.recorder = Recorder(self.lanes, store=store, wire=self._side, clock=self.clock)
        wire = self._new_wire()
        carrier = Carrier(store=store, wire=wire, clock=self.clock) if settings.spread else None
        self.promoter = Promoter(options.queues.names, store=store, wire=wire, clock=self.clock, carrier=carrier)
        self._build_schedules(names)
        self.wakeups = Wakeups(
            {channel: "" if source.public else source.queue for channel, source in self.promoter.channels.items()},
            settings=settings,
            on_listener=self._on_listener,
            on_schedules=self.ticker.call,
            on_due=self.promoter.hear,
        )
        self.discarder = Discarder(
            options.queues.names, operations=OperationStore(names), wire=self._side, clock=self.clock
        )
        self.reclaimer = Reclaimer(
            self.lanes,
            self.registry,
            options=options,
            store=store,
            workers=workers,
            wire=self._side,
            clock=self.clock,
        )
        self.heartbeat = Heartbeat(
            self.lanes,
            self.pool,
            settings=settings,
            options=options,
            workers=workers,
            clock=self.clock,
            loop=asyncio.get_running_loop(),
            on_command=self._command,
            on_abort=self._abort,
            on_lost=self._lost,
        )

    def _build_schedules(self, names: Namespace) -> None:
        store, side, queues = ScheduleStore(names), self._side, self.options.queues.names
        definitions = Definitions()
        whereabouts = Whereabouts(store=store, reading=ReadingStore(names), wire=side, clock=self.clock)
        declared = [s for s in self.registry.schedules.values() if s.queue in queues]
        self.registrar = Registrar(declared, store=store, wire=side, clock=self.clock)
        self.ticker = Ticker(
            queues,
            who=self.id,
            store=store,
            wire=self._new_wire(),
            clock=self.clock,
            definitions=definitions,
            sweeper=Sweeper(store=store, wire=side, clock=self.clock, definitions=definitions, whereabouts=whereabouts),
            whereabouts=whereabouts,
        )

    def _on_room(self) -> None:
        self.fetcher.nudge()

    def _on_listener(self) -> None:
        self.heartbeat.soon()

    def _fenced(self, lane: Lane) -> None:
        self.pool.drop(lane)
        # Nothing is started until a heartbeat has confirmed the new lease.
        self.heartbeat.soon()

    def _lost(self, lane: Lane) -> None:
        self.pool.drop(lane)
        # The next step hears the same from Redis and starts the lane anew.
        lane.suspect = True
        self.fetcher.nudge()

    async def _register(self) -> None:
        fields: dict[str, str | int | float] = {
            "host": self.host,
            "pid": os.getpid(),
            "version": __version__,
            "concurrency": self.options.concurrency if self.options.execute else 0,
            "lease": self.options.lease,
            "queues": ",".join(self.options.queues.names),
            "tasks": ",".join(sorted(self.registry.handlers))[:4000],
            "signatures": encode_signatures(handler.told() for handler in self.registry.handlers.values()).decode(),
            "rss": resident_memory(),
        }
        for lane in self.lanes:
            sent = time.monotonic()
            now = await lane.register({**fields, "started": self.started, "seen": round(self.clock.now(), 3)})
            self.clock.set(now, sent, time.monotonic(), grain=0.001)
            # A full Redis refuses this; a worker must be able to start all the same, to drain it.
            with contextlib.suppress(StoreFull):
                await self._side.run(self._store.announce(lane.queue))

    async def _work(self) -> None:
        self._build()
        services: list[tuple[str, Coroutine[Any, Any, None]]]
        self.started = round(self.clock.now(), 3)
        if self.options.execute:
            await self._register()
            self.heartbeat.start()
            services = [
                ("fetcher", self._fetch()),
                ("acks", self.fetcher.run_acks()),
                ("watch", self.pool.watch(self._give_back)),
                ("recorder", self.recorder.run()),
            ]
        else:
            services = [("clock", self._keep_time())]
        services += [
            ("promoter", self.promoter.run()),
            ("reclaimer", self.reclaimer.run()),
            ("discarder", self.discarder.run()),
            ("ticker", self.ticker.run()),
            ("registrar", self.registrar.run()),
            ("wake-ups", self.wakeups.run()),
        ]
        log.info(
            "worker up" if self.options.execute else "scheduler up",
            extra={
                "worker": self.id,
                "queues": ",".join(self.options.queues.names),
                "concurrency": self.options.concurrency,
                "tasks": len(self.registry.handlers),
                "redis": self.settings.address,
            },
        )
        self._group: asyncio.TaskGroup | None = None
        try:
            await self._run_services(services)
        finally:
            self.heartbeat.stop()
            # Those of lanes that could not sign off are still open.
            for lane in self.lanes:
                await lane.drop_waiter()
        log.info("worker down", extra={"worker": self.id, "finished": self.pool.finished})

    async def _run_services(self, services: list[tuple[str, Coroutine[Any, Any, None]]]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                tasks = [group.create_task(service, name=name) for name, service in services]
                await self._stopping.wait()
                if self.options.execute:
                    await self._drain(tasks[0])
                # Also what is on its way back: in an outage it would go on for as long as that.
                for task in (*tasks, *self._returns):
                    task.cancel()
                await self._leave_schedules()
        except* TaskconsoleError as errors:
            # Every service sees the same closed door; one line is enough.
            raise errors.exceptions[0] from None
        except* Exception as errors:
            log.exception("a service failed", exc_info=errors.exceptions[0])
            raise TaskconsoleError(f"a service of the worker failed: {errors.exceptions[0]!r}"[:300]) from None
        finally:
            # However it ends: a runner that is left would keep the process alive, doing nothing.
            await self.pool.close()

    async def _fetch(self) -> None:
        """Claim until burst mode finds nothing, or somebody wants quiet."""
        await self.fetcher.run()
        if not self._quiet.is_set():
            self.stop()
            return
        await self.fetcher.return_unstarted()
        self.heartbeat.quiet = True
        self.heartbeat.soon()

    async def _keep_time(self) -> None:
        """Follow the clock of Redis where no heartbeat does."""
        while True:
            await asyncio.sleep(KEEP_TIME)
            sent = time.monotonic()
            with contextlib.suppress(TaskconsoleError):
                now = await self._side.run(ReadingStore.time())
                self.clock.set(now, sent, time.monotonic())
                if self.options.follow:
                    await self._look_for_queues()

    async def _look_for_queues(self) -> None:
        known = await self._side.run(ReadingStore(Namespace(self.settings.prefix)).usable_queues())
        new = set(known) - set(self.options.queues.names)
        if new:
            log.info("new queues", extra={"queues": ",".join(sorted(new))[:500]})
            self.outgrown = True
            self.stop()

    def _give_back(self, returned: dict[Lane, list[bytes]]) -> None:
        assert self._group is not None
        for lane, payloads in returned.items():
            # The lane knows of them before anything else has its turn: nobody is to find and run them meanwhile.
            going = self._return(lane, lane.give_back(payloads))
            task = self._group.create_task(going, name=f"give back to {lane.queue}")
            self._returns.add(task)
            task.add_done_callback(self._returns.discard)

    async def _return(self, lane: Lane, going: Coroutine[Any, Any, None]) -> None:
        try:
            await going
        except AccessDenied:
            raise
        except StoreError as error:
            if self._complain(f"return {lane.queue}"):
                log.warning("could not return tasks", extra={"queue": lane.queue, "reason": str(error)})

    # -- stopping

    async def _leave_schedules(self) -> None:
        """Let the others know at once; without it they find out a few seconds later."""
        with contextlib.suppress(TaskconsoleError, TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self.ticker.leave()

    async def _drain(self, fetching: asyncio.Task[None]) -> None:
        """Return what was not started, wait for what runs, tell Redis, return the rest, sign off."""
        # Not cancelled: a call that is under way must be heard to its end, or an ack could be lost or doubled.
        self.fetcher.stop()
        try:
            async with asyncio.timeout(LAST_WORDS):
                await asyncio.shield(fetching)
                await self.fetcher.return_unstarted()
        except TimeoutError:
            fetching.cancel()
            log.warning("could not return unstarted tasks: Redis does not answer; they will be taken back")
        except TaskconsoleError as error:
            log.warning("could not return unstarted tasks", extra={"reason": str(error)})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.options.grace):
                await self.pool.wait_empty()
        cut = await self.pool.close()
        if cut:
            log.warning("grace period over: tasks returned unfinished", extra={"n": cut})
        try:
            async with asyncio.timeout(LAST_WORDS):
                told = [lane for lane in self.lanes if await self._sign_off(lane, lane.flush())]
                await self.recorder.publish()
                await self.recorder.run_once()
                self.heartbeat.stop()
                for lane in told:
                    await self._sign_off(lane, lane.leave())
        except TimeoutError:
            log.warning("could not sign off: Redis does not answer; what is held will be taken back")
        except TaskconsoleError as error:
            log.warning("could not sign off; what is held will be taken back", extra={"reason": str(error)})

    @staticmethod
    async def _sign_off(lane: Lane, last_word: Coroutine[Any, Any, Any]) -> bool:
        """True when Redis has taken it; what one queue refuses is not to cost the others' results."""
        try:
            await last_word
        except StoreError as error:
            extra = {"queue": lane.queue, "reason": str(error)}
            log.warning("could not sign off; what is held will be taken back", extra=extra)
            return False
        return True


def run_worker(worker: Callable[[], Worker], *, loop: str = "auto") -> Worker:
    """Run a worker in this thread until it ends, and return it.

    SIGTERM, SIGINT and SIGHUP (the terminal is gone) stop it, a further SIGTERM or SIGINT at once.

    Args:
        worker: Makes the worker, inside the event loop.
        loop: `auto` (uvloop where it is installed), `uvloop` or `asyncio`.

    Raises:
        ConfigError: This is not the main thread.
        TaskconsoleError: It could not start, or Redis no longer lets it work.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfigError(
            "a worker is stopped by signals, which only the main thread gets: run it there, "
            "or start `taskconsole --headless worker` as a process of its own"
        )
    with asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        return runner.run(_main(worker))


def _busy(thread: threading.Thread) -> bool:
    """True for a handler thread that is in the middle of a handler."""
    if not thread.name.startswith("taskconsole-handler") or thread.ident is None:
        return False
    frame = sys._current_frames().get(thread.ident)  # noqa: SLF001 - the documented way to see another thread's stack
    while frame is not None:
        if frame.f_code.co_name == "__call__" and frame.f_globals.get("__name__") == "taskconsole.worker.perform":
            return True
        frame = frame.f_back
    return False


def _leave(code: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


async def _main(make: Callable[[], Worker]) -> Worker:
    worker = make()
    loop = asyncio.get_running_loop()
    signalled = False

    def on_signal(number: int) -> None:
        nonlocal signalled
        # Whose terminal goes away hears of it twice, from the kernel and from the shell: nobody is in a hurry. Nor is
        # who signals once a worker that an operator has told to stop.
        if signalled and number != signal.SIGHUP:
            log.warning("second signal: ending at once", extra={"signal": signal.Signals(number).name})
            _leave(128 + number)
        signalled = True
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # nohup means it
        loop.add_signal_handler(number, on_signal, number)
    await worker.run()
    stuck = sum(_busy(thread) for thread in threading.enumerate())
    stuck += sum(task.get_name() == "taskconsole runner" and not task.done() for task in asyncio.all_tasks())
    if stuck:
        # Python would wait for threads, and asyncio for tasks that swallow cancellation, as long as those like.
        log.warning("leaving handlers behind that do not end", extra={"n": stuck})
        _leave(0)
    return worker


def _loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if loop == "asyncio":
        return None
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        if loop == "uvloop":
            raise TaskconsoleError("uvloop is not installed: pip install taskconsole[fast]") from None
        return None
    return uvloop.new_event_loop
