"""Everything between the backend and the screens: threads that read, listen and act, and what they hand over."""
