"""The columns of every table, as pure functions of a row and the moment."""
