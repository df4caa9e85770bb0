"""From values to what a terminal may show: made safe, cut to cells, in columns; pure functions."""
