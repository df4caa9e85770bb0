"""Pure values: tasks, outcomes, events, and the figures that are shown. No redis, no asyncio, no Textual."""
