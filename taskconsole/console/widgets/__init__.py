"""Widgets drawn line by line, which repaint only the cells that changed."""
