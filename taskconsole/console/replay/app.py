"""The console over a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from taskconsole.console.app import Console, run_app
from taskconsole.console.replay.desk import ReplayDesk
from taskconsole.console.replay.feed import ReplayFeed
from taskconsole.console.replay.times import TimeError, position_of
from taskconsole.model.recording import MarkKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.base import Backend
    from taskconsole.console.desk import Desk
    from taskconsole.console.feed.lock import Lock
    from taskconsole.console.messages import MoveTo
    from taskconsole.console.replay.feed import Replayed

__all__ = ["ReplayConsole", "run_replay"]

CHANGES = (MarkKind.VERDICT, MarkKind.LINK)


class ReplayConsole(Console):
    """The same screens; what they show is that of a moment one moves in.

    Args:
        recorded: The recording.
        options: Those of `Console`.
    """

    CSS_PATH = "../desk.tcss"
    DESK: ClassVar[type[Desk]] = ReplayDesk

    def __init__(self, recorded: Replayed, **options: Any) -> None:
        self._recorded = recorded
        about = recorded.about()
        super().__init__(lambda: recorded, address="", read_only=True, **options)
        assert isinstance(self.desk, ReplayDesk)
        self.desk.marks, self.desk.began, self.desk.ended = recorded.marks, about.began, about.ended
        self._flaws = about.flaws()

    def make_feed(self, connect: Callable[[], Backend], interval: float, lock: Lock) -> ReplayFeed:  # noqa: ARG002 (no server)
        """From the recording."""
        return ReplayFeed(self._recorded, self.post_message)

    @property
    def groups(self) -> tuple[str, ...]:
        """What moves in time comes first."""
        return ("replay", *super().groups)

    @property
    def replay(self) -> ReplayFeed:
        """The feed."""
        assert isinstance(self.feed, ReplayFeed)
        return self.feed

    def on_mount(self) -> None:
        """What cannot be read is said at the beginning."""
        if self._flaws:
            self.desk.show_status(self._flaws, ok=False)

    def on_link_changed(self) -> None:
        """Before the snapshot comes what led to it."""
        assert isinstance(self.desk, ReplayDesk)
        past, readings = self.replay.take_passed()
        if past is not None:
            self.desk.forget(past)
        self.desk.recall(readings)

    def on_move_to(self, message: MoveTo) -> None:
        """Go to a time that was typed."""
        link = self.feed.take_link()
        try:
            position = position_of(
                message.text,
                here=getattr(link, "position", 0.0),
                end=self._recorded.end,
                clock=self._recorded.clock,
                moment=self._recorded.moment,
            )
        except TimeError as error:
            self.desk.show_status(str(error), ok=False)
        else:
            self.replay.go(position)

    def action_replay_play(self) -> None:
        """Play, or hold still."""
        self.replay.play()

    def action_replay_by(self, seconds: float) -> None:
        """On, or back."""
        self.replay.by(seconds)

    def action_replay_end(self, direction: int) -> None:
        """To the end, or to the start."""
        self.replay.go(float("inf") if direction > 0 else 0.0)

    def action_replay_speed(self, direction: int) -> None:
        """Faster, or slower."""
        self.replay.change_speed(direction)

    def action_replay_change(self, direction: int) -> None:
        """To where a verdict or the connection changes."""
        self.replay.seek(direction, CHANGES)

    def action_replay_failure(self, direction: int) -> None:
        """To a failure."""
        self.replay.seek(direction, (MarkKind.FAILURE,))

    def action_replay_nearest(self) -> None:
        """To where the view that is shown was looked at."""
        self.replay.to_answer()

    def action_replay_at(self) -> None:
        """Type a time."""
        assert isinstance(self.desk, ReplayDesk)
        self.desk.ask_for_a_time()


def run_replay(recorded: Replayed, *, mouse: bool = False, **options: Any) -> int:
    """Show a recording until it is left; returns the exit code. The caller makes sure that there is a terminal."""
    return run_app(lambda **more: ReplayConsole(recorded, **options, **more), mouse=mouse)
