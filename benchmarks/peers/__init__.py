"""The peers under test, each imported only in the virtual environment made for it."""
