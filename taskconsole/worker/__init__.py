"""The runtime: what a worker process does. No screen, no Redis of its own making.

runtime     Worker: wires the services below together, starts and stops them
fetcher     decides how much to claim from which queue, and waits when there is nothing
lane        one queue as this worker serves it: claims, acks, settles, in one sequence of calls
pool        runs handlers, many at a time
judge       what becomes of an attempt that failed
perform     how one handler is run: on the loop, in a thread, in a process
heartbeat   a thread that keeps the leases, whatever handlers do
promoter    delayed tasks whose time has come
reclaimer   tasks of workers that died
sums        what a lane adds up; recorder writes it down as statistics and events
suspects    tasks that an earlier worker died with
supervisor  several worker processes under one parent
"""
