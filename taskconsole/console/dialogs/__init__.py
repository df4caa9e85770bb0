"""Questions that are asked above a view: one module each."""
