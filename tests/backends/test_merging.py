"""Several ordered sources as one."""

from hypothesis import given
from hypothesis import strategies as st

from taskconsole.backends.merging import LEAST, merged


class Sources:
    """Lists to read on in; counts what is read."""

    def __init__(self, *keys):
        self.keys = [sorted(some) for some in keys]
        self.read = self.trips = 0

    def __call__(self, wants):
        self.trips += 1
        answers = []
        for want in wants:
            assert want.most > 0
            assert want.last == (self.keys[want.source][want.place - 1] if want.place else None)
            some = self.keys[want.source][want.place : want.place + want.most]
            self.read += len(some)
            answers.append([((key,), key) for key in some])
        return answers


@given(st.lists(st.lists(st.integers(0, 20), max_size=60), max_size=6), st.integers(0, 200))
def test_it_is_the_beginning_of_all_in_order(keys, depth):
    sources = Sources(*keys)
    found = merged(len(keys), depth, sources)

    every = sorted((key, i, n) for i, some in enumerate(sources.keys) for n, key in enumerate(some))
    assert [(entry.item, entry.source, entry.place) for entry in found] == every[:depth]


def test_little_more_is_read_than_belongs_to_it():
    alike = Sources(*(range(i, 100_000, 50) for i in range(50)))
    assert [e.item for e in merged(50, 1_000, alike)] == list(range(1_000))
    assert alike.read <= 1_000 + 50 * (LEAST + 1)
    assert alike.trips == 1

    uneven = Sources(range(10_000), *(range(20_000, 30_000) for _ in range(49)))
    assert [e.item for e in merged(50, 1_000, uneven)] == list(range(1_000))
    assert uneven.read <= 3 * 1_000 + 50 * (LEAST + 1)
    assert uneven.trips <= 8


def test_nothing_wanted_reads_nothing():
    sources = Sources([1])
    assert merged(1, 0, sources) == []
    assert merged(0, 5, sources) == []
    assert sources.trips == 0
