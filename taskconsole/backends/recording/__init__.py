"""What a console saw, as a file: one JSON object a line, the first one says what it is.

    {"taskconsole":"recording","version":1,"at":1790000000.0,"program":"0.1.0"}
    {"t":0.031,"server":{"name":"taskconsole","address":"10.0.4.7:6379/0"}}
    {"t":0.034,"stream":0,"n":0,"of":["overview"],"full":{…}}
    {"t":1.036,"stream":0,"n":1,"change":{…}}              what has changed since n 0, see `model/delta.py`
    {"t":6.040,"stream":3,"n":5,"same":true}               the same answer again; said every five seconds
    {"t":7.100,"stream":3,"n":6,"error":{"type":"AccessDenied","text":"…"}}
    {"t":8.000,"search":4,"n":0,"of":["search",{…}],"piece":{…}}
    {"t":8.210,"events":[{…}],"lost":12}                   and 12 more that were too many to be kept
    {"t":8.300,"link":{"type":"StoreUnavailable","text":"…"}}   the connection was lost; `{}`: it is there again
    {"t":9.000,"verdicts":{"came":[{…}],"went":[{…}]}}

`t` is seconds since the recording began, by a clock that never goes back. What time it was is in the readings, by the
clock of Redis. A stream holds the answers to one question (`of`); its lines are numbered, so that nobody takes a change
for one of another value when a line is missing; every so often there is a full value.

Values are as `model/portable.py` writes them. A reader passes over fields and lines that it does not know.
"""
