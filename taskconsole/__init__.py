"""Task queues on plain Redis lists, and the console that shows them."""

from __future__ import annotations

__version__ = "0.1.0"
