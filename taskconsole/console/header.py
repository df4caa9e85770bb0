"""The lines above and beside the table, as pure functions of what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.actions import UNSEEN
from taskconsole.console.feed.link import Link, Phase
from taskconsole.console.place import ROOTS, Place
from taskconsole.console.text.explain import explain, flow, per_minute
from taskconsole.console.text.format import clock, count, duration, rtt, size, sparkline
from taskconsole.console.text.lines import Line, Piece, Tone, at_end, cell, join, spread
from taskconsole.console.text.safe import safe
from taskconsole.model.verdict import Level, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.console.actions import Action
    from taskconsole.console.columns.queues import QueueRow
    from taskconsole.console.look import Look
    from taskconsole.model.reach import Reach

__all__ = ["details", "fix_line", "footer", "header", "summary", "tab_at", "tabs", "verdict_line"]

_LEVEL_TONES = {Level.CRITICAL: Tone.BAD, Level.WARNING: Tone.WARN, Level.NOTE: Tone.PLAIN}
_LEVEL_WORDS = {Level.CRITICAL: "CRIT", Level.WARNING: "WARN", Level.NOTE: "NOTE"}


def header(link: Link, address: str, width: int, monotonic: float, look: Look, lock: str) -> Line:
    """Where we are, whether we may write, how fresh the figures are, what they cost, and the time in UTC."""
    name = safe(look.context, 20) + "  " if look.context else ""
    pieces: list[Piece] = [
        (f" {name}{at_end(safe(address, 200), max(16, width // 3 - len(name)), look.glyphs)}", Tone.TITLE),
        (lock, Tone.PLAIN),
        (link.words(monotonic), _link_tone(link, monotonic)),
    ]
    if look.recording:
        pieces.insert(2, ("REC", Tone.WARN))
    overview = link.overview
    if overview is None or link.phase is not Phase.LIVE:
        return join(pieces, width)
    # Always as wide, so that what stands behind them stands still.
    pieces.append((f"rtt {rtt(link.rtt):<5}", Tone.QUIET))
    if link.cost:
        pieces.append((f"{count(round(link.cost)):>4} cmd/s", Tone.QUIET))
    pieces += _server_pieces(link, width)
    right: Line = ((link.clock_text(), Tone.QUIET),)
    return spread(join(pieces, width - len(right[0][0]) - 2), right, width)


def _server_pieces(link: Link, width: int) -> list[Piece]:
    """What there is room for on a wider terminal."""
    if link.overview is None or width < 100:
        return []
    server = link.overview.server
    pieces: list[Piece] = [(f"redis {safe(server.version, 20) or '?'} {safe(server.role, 12)}", Tone.QUIET)]
    if server.max_memory:
        pieces.append((f"mem {size(server.used_memory)} of {size(server.max_memory)}", Tone.QUIET))
    elif server.used_memory:
        pieces.append((f"mem {size(server.used_memory)}", Tone.QUIET))
    if server.persistence:
        pieces.append((safe(server.persistence, 24), Tone.QUIET))
    return pieces


def _link_tone(link: Link, monotonic: float) -> Tone:
    if link.phase is Phase.LIVE:
        return Tone.GOOD if link.stale_for(monotonic) is None else Tone.WARN
    return Tone.QUIET if link.phase is Phase.CONNECTING else Tone.BAD


def verdict_line(link: Link, found: Sequence[Verdict], width: int, monotonic: float) -> Line:
    """The answer to "is anything stuck?", or why there is none."""
    if link.phase in (Phase.DISCONNECTED, Phase.DENIED):
        error = _without_address(link)
        stale = link.stale_for(monotonic)
        if stale is None or link.overview is None:
            return ((cell(f" {error}", width), Tone.BAD),)
        # What is denied names a command, which must not be cut off: it has the next line.
        why = "not read again until ctrl+r" if link.phase is Phase.DENIED else error
        text = f" STALE  figures of {clock(link.overview.at)}Z, {duration(stale)} old. {why}"
        return ((cell(text, width), Tone.WARN),)
    if link.overview is None:
        return ((" waiting for the first reading", Tone.QUIET),)
    if not found:
        return ((f" OK  {_well(link)}", Tone.GOOD),)
    pieces: list[Piece] = [(f" {_LEVEL_WORDS[v.level]} {safe(v.text, 300)}", _LEVEL_TONES[v.level]) for v in found]
    line = join(pieces, width - 12 if len(pieces) > 1 else width)
    left = len(pieces) - sum(1 for piece in line if piece[1] is not Tone.PLAIN or piece[0].strip())
    return (*line, (f"   +{left} more", Tone.QUIET)) if left > 0 else line


def _without_address(link: Link) -> str:
    """Why it is not live; the address stands above, and the room is for the reason."""
    address = "" if link.overview is None else link.overview.server.address
    return safe(link.error.replace(f" at {address}", "", 1) if address else link.error, 300)


def _well(link: Link) -> str:
    queues = link.overview.queues if link.overview else ()
    if not queues:
        return "no queue yet: enqueue a task, or LPUSH one"
    pending, active = sum(queue.pending for queue in queues), sum(queue.active for queue in queues)
    where = "1 queue" if len(queues) == 1 else f"{len(queues)} queues"
    return f"nothing is stuck; {count(pending)} pending, {count(active)} active in {where}"


def fix_line(link: Link, found: Sequence[Verdict], offer: str, width: int) -> Line:
    """What to do about it: the first command that mends something; while nothing was ever read, what is offered."""
    if link.phase is Phase.DENIED and link.overview is not None:
        return ((cell(f" {_without_address(link)}", width), Tone.BAD),)
    if link.phase in (Phase.DISCONNECTED, Phase.DENIED):
        # Whoever has been looking at a Redis wants that one back, and no other.
        return ((cell(f" {safe(offer, 300)}", width), Tone.PLAIN),) if offer and link.overview is None else ()
    fix = next((v.fix for v in found if v.fix), "")
    return ((" fix  ", Tone.QUIET), (cell(fix, max(0, width - 6)), Tone.PLAIN)) if fix else ()


def details(
    row: QueueRow,
    trail: Sequence[int],
    now: float,
    width: int,
    look: Look,
    reach: Reach,
) -> tuple[Line, ...]:
    """The selected queue: its trend in figures, why it is as it is, and what to do next."""
    glyphs = row.glyphs
    queue = row.stats
    if row.stale:
        return (((" figures are old: not judged", Tone.QUIET),),)
    hires = look.crew.start is not None
    why, then = explain(queue, now, row.growth, read_only=look.read_only, hires=hires, reach=reach)
    parts = (f"{count(queue.pending)} now", per_minute(row.growth), flow(queue))
    figures = "  ".join(part for part in parts if part)
    # Always as wide, so that the bars behind it stand still.
    bars = sparkline(trail, max(0, width - 62), glyphs)
    pending = f"{cell(figures, 50, glyphs=glyphs)}  {bars}" if bars else figures
    lines = (("pending", "?" if queue.trouble else pending), ("why", why), ("next", then))
    room = max(0, width - 9)
    return tuple(((f" {label:<8}", Tone.QUIET), (cell(text, room, glyphs=glyphs), Tone.PLAIN)) for label, text in lines)


def footer(actions: Sequence[Action], width: int) -> Line:
    """The keys that work here and now; those that everybody needs first, the others where there is room."""
    ranked = sorted(actions, key=lambda action: not action.footer)
    pieces: list[Piece] = [(f"{a.key_text} {a.label}", Tone.QUIET) for a in ranked]
    return ((" ", Tone.QUIET), *join(pieces, width - 1))


def summary(link: Link, found: Sequence[Verdict], width: int, monotonic: float) -> Line:
    """All of it in one line, for a terminal too small for more; and which keys act there."""
    worst = f"{_LEVEL_WORDS[found[0].level]} {safe(found[0].text, 300)}" if found else "OK"
    queues = link.overview.queues if link.overview else ()
    pending = count(sum(queue.pending for queue in queues))
    text = f"{link.words(monotonic)}  {worst}  {pending} pending in {len(queues)} queues"
    keys = f"  only {' '.join(_caret(action.key_text) for action in UNSEEN)}"
    return ((cell(text, max(0, width - len(keys))), Tone.PLAIN), (cell(keys, min(width, len(keys))), Tone.QUIET))


def _caret(key: str) -> str:
    """`^R` for `ctrl+r`."""
    return f"^{key[-1].upper()}" if key.startswith("ctrl+") else key


def tab_at(shown: Line, x: int) -> str | None:
    """The view whose name stands in column `x` of the tabs."""
    end = 0
    for text, _ in shown:
        end += len(text)
        if x < end:
            number = text.partition(" ")[0]
            return ROOTS[int(number) - 1] if number.isdigit() and int(number) <= len(ROOTS) else None
    return None


def tabs(place: Place, crumbs: Sequence[str], width: int) -> Line:
    """The eight views with their numbers and, inside one of them, the way that led there."""
    names = [f"{number} {name.capitalize()}" for number, name in enumerate(ROOTS, 1)]
    if width < sum(map(len, names)) + len(names):
        # On a narrow terminal the other views are a number and a hint.
        names = [name if view == place.view else name[:5] for name, view in zip(names, ROOTS, strict=True)]
    gap = "  " if width >= sum(map(len, names)) + 2 * len(names) else " "
    pieces: list[Piece] = []
    for name, view in zip(names, ROOTS, strict=True):
        pieces += [(gap, Tone.PLAIN), (name, Tone.SELECTED if view == place.view else Tone.QUIET)]
    way = " > ".join(safe(crumb, 60) for crumb in crumbs)
    room = width - sum(len(text) for text, _ in pieces) - 3
    if place.view in ROOTS or room >= len(way):
        return (*pieces, ("   " + cell(way, room), Tone.TITLE)) if way and room > 0 else tuple(pieces)
    # Deep inside, the way back tells more than the names of the views.
    return ((cell(f" {way}", width), Tone.TITLE),)
