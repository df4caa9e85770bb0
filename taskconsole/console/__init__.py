"""The console: what is queued, late or stuck, on a terminal. Only this package imports Textual and Rich."""
