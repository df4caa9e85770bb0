"""What Taskconsole costs and how fast it is, measured beside its peers: `python -m benchmarks`.

One Redis on one core, the worker or the producer on another, each measure repeated with the systems taking
turns. `measures.py` and `schedule_measures.py` say of each measure what exactly is timed.
"""
