"""What a suggested command has to be told, so that a shell does not carry it out somewhere else."""

import pytest

from taskconsole.model.reach import BY_ITSELF, Reach

SHOP = Reach(ours=("-C", "shop"), redis_cli=("-h", "db", "-n", "2"))


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("taskconsole resume mail", "taskconsole resume mail -C shop"),
        ("taskconsole run-now -q a -- -x", "taskconsole run-now -C shop -q a -- -x"),
        ("taskconsole workers", "taskconsole workers -C shop"),
        ("taskconsole resume 'a; b'", "taskconsole resume -C shop 'a; b'"),
        (
            "taskconsole --headless worker -A yourapp:app -q mail",
            "taskconsole --headless worker -A yourapp:app -q mail -C shop",
        ),
        ("redis-cli BGSAVE", "redis-cli -h db -n 2 BGSAVE"),
        (
            "redis-cli CONFIG SET a 1; redis-cli CONFIG SET b 2",
            "redis-cli -h db -n 2 CONFIG SET a 1; redis-cli -h db -n 2 CONFIG SET b 2",
        ),
        ("redis-cli TYPE 'redis-cli taskconsole status'", "redis-cli -h db -n 2 TYPE 'redis-cli taskconsole status'"),
        ("wait; redis-cli INFO persistence", "wait; redis-cli -h db -n 2 INFO persistence"),
        ("timedatectl set-ntp true", "timedatectl set-ntp true"),
        ("", ""),
    ],
)
def test_each_command_is_told_where_to_go(line, typed):
    assert SHOP.typed(line) == typed
    assert BY_ITSELF.typed(line) == line


def test_what_a_recording_from_anybody_says_stays_words():
    hostile = Reach(ours=("-u", "x; rm -rf ~"), redis_cli=("\x1b[2J",))

    assert hostile.typed("taskconsole status") == "taskconsole status -u 'x; rm -rf ~'"
    assert hostile.typed("redis-cli BGSAVE") == r"redis-cli $'\x1b[2J' BGSAVE"
