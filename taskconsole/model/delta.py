"""What has changed between two plain JSON values, as a third: so that a recording holds only what is new. Pure.

A change is one of

    12, "text", null …                 a scalar: it takes the place of what was there
    {"new": …}                         so does an object or an array
    {"set": {name: change}, "cut": […]}  an object: fields that changed or came, and those that went
    {"list": […]}                      an array, piece by piece: a scalar; {"new": …}; [i, n] for n elements of the
                                       old one from its i-th on; {"i": i, "to": change} for the i-th, changed

No element of the old array is used twice, so that a value cannot grow by more than its changes carry.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["SAME", "applied", "difference"]

SAME: Final = object()
"""Nothing has changed."""

NAMES = ("queue", "name", "id", "task", "exception", "message", "what", "address")
"""The fields by which an element is told from others: two that agree in all of these are one that has changed."""

Named = tuple[str | None, ...]


def difference(old: Any, new: Any) -> Any:
    """The change that makes `new` of `old`, or SAME."""
    if type(old) is dict and type(new) is dict:
        return _object_change(old, new)
    if type(old) is list and type(new) is list:
        return _array_change(old, new)
    if type(old) is type(new) and old == new:
        return SAME
    return {"new": new} if isinstance(new, dict | list) else new


def _object_change(old: dict[str, Any], new: dict[str, Any]) -> Any:
    changed: dict[str, Any] = {}
    for name, value in new.items():
        change = difference(old[name], value) if name in old else _afresh(value)
        if change is not SAME:
            changed[name] = change
    gone = [name for name in old if name not in new]
    found: dict[str, Any] = {}
    if changed:
        found["set"] = changed
    if gone:
        found["cut"] = gone
    return found or SAME


def _afresh(value: Any) -> Any:
    return {"new": value} if isinstance(value, dict | list) else value


def _array_change(old: list[Any], new: list[Any]) -> Any:
    if old == new and repr(old) == repr(new):
        # 1, 1.0 and true are equal, and yet not the same.
        return SAME
    places = _places(old)
    used: set[int] = set()
    pieces: list[Any] = []
    for at, value in enumerate(new):
        found = _match(old, at, value, places, used)
        if found is None:
            pieces.append(_afresh(value))
            continue
        used.add(found)
        change = difference(old[found], value)
        last = pieces[-1] if pieces else None
        if change is not SAME:
            pieces.append({"i": found, "to": change})
        elif type(last) is list and last[0] + last[1] == found:
            last[1] += 1
        else:
            pieces.append([found, 1])
    return {"list": pieces} if used else {"new": new}


def _places(old: list[Any]) -> dict[Named, list[int]]:
    """Where elements of a name are, the last one first."""
    places: dict[Named, list[int]] = {}
    for at in range(len(old) - 1, -1, -1):
        places.setdefault(_name(old[at]), []).append(at)
    return places


def _match(old: list[Any], at: int, value: Any, places: dict[Named, list[int]], used: set[int]) -> int | None:
    """The element that `value` was before."""
    if type(value) is dict:
        free = places.get(_name(value))
        return free.pop() if free and type(old[free[-1]]) is dict else None
    same = at < len(old) and at not in used and difference(old[at], value) is SAME
    return at if same else None


def _name(value: Any) -> Named:
    if type(value) is not dict:
        return ()
    return tuple(found if type(found := value.get(name)) is str else None for name in NAMES)


def applied(old: Any, change: Any) -> Any:
    """What `old` becomes by a change; neither is touched.

    Raises:
        ValueError: It is no change of such a value.
    """
    if type(change) is not dict:
        if type(change) is list:
            raise ValueError("an array stands for no change")
        return change
    if "new" in change:
        return change["new"]
    if "list" in change:
        return _pieced_together(old, change["list"])
    if not (type(old) is dict and type(change.get("set", {})) is dict and type(change.get("cut", [])) is list):
        raise ValueError("it is no change of an object")
    gone = {name for name in change.get("cut", ()) if type(name) is str}
    found = {name: value for name, value in old.items() if name not in gone}
    for name, inner in change.get("set", {}).items():
        found[name] = applied(old.get(name), inner)
    return found


def _pieced_together(old: Any, pieces: Any) -> list[Any]:
    if type(old) is not list or type(pieces) is not list:
        raise ValueError("it is no change of an array")
    used: set[int] = set()

    def take(at: Any) -> Any:
        if type(at) is not int or not 0 <= at < len(old) or at in used:
            raise ValueError("there is no such element, or it was used before")
        used.add(at)
        return old[at]

    found: list[Any] = []
    for piece in pieces:
        if type(piece) is list:
            if len(piece) != 2 or type(piece[0]) is not int or type(piece[1]) is not int or piece[1] > len(old):
                raise ValueError("it is no run of elements")
            found += [take(at) for at in range(piece[0], piece[0] + piece[1])]
        elif type(piece) is dict and "i" in piece:
            found.append(applied(take(piece["i"]), piece.get("to")))
        else:
            found.append(applied(None, piece))
    return found
