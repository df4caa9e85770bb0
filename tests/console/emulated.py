"""What a terminal shows, as far as somebody can see it."""

from __future__ import annotations


def seen(screen):
    """The cells of an emulator's picture: characters and how they look.

    A blank has no colour of its own and no weight: what one sees of it is the background, a line through or below it,
    and everything where front and back are exchanged.
    """
    return [[_look(screen.buffer[y][x]) for x in range(screen.columns)] for y in range(screen.lines)]


def _look(cell):
    if cell.data == " " and not (cell.reverse or cell.underscore or cell.strikethrough):
        return " ", cell.bg
    return tuple(cell)
