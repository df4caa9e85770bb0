"""Everything at once on this machine: a private Redis, a sample App, traffic, two workers."""
