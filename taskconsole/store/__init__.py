"""All of our Redis: key names, Lua transitions, connections, and replies turned into our types.

A transition is one Lua file (`lua/`), called through one function that builds a `Call` (`tasks`, `workers`,
`operations`); reading is in `reading`. A `Call` holds no connection: `Wire` (blocking) and `AsyncWire`
carry it out, so nothing is written twice for the two worlds.
"""
