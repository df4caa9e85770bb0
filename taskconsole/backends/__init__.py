"""Task systems as the console sees them, behind the one Protocol of `base`."""
