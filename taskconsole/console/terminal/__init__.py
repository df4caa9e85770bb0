"""The terminal around the console: what is written to it, what is typed, pasted and copied."""
