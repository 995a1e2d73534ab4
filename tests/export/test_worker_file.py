"""The workers' file: each sees the others' newest whole snapshot, the dead count once, and nobody waits."""

import os
import signal
import threading
import time

import pytest

from instrumentation.export.worker_file import _ENTRY_BYTES, CELLS, WorkerFile


def fold(before, left):
    """Combine by joining with commas, in any order."""
    return b",".join(sorted([*before.split(b","), *left] if before else left))


@pytest.fixture
def workers(tmp_path):
    """Make workers; `dead` has those that have died."""
    dead, made = set(), []

    def make(pid=None):
        file = WorkerFile(tmp_path / "file", lambda pid, start: pid not in dead, fold)
        made.append(file)
        if pid is not None:
            assert file.take(pid, 1)
        return file

    make.dead = dead
    yield make
    for file in made:
        file.close()


def everything(seen):
    return sorted([*seen.living, *seen.dead, *(seen.folded.split(b",") if seen.folded else [])])


def test_newest_snapshots_are_seen(workers):
    """A reader sees what each other worker published last, not his own, and nothing of who has published nothing."""
    one, two, _, reader = workers(1), workers(2), workers(3), workers()
    for text in (b"a", b"bb", b"c"):
        one.publish(text)
    two.publish(b"two")
    assert reader.seen() == ([b"c", b"two"], [], b"")
    assert two.seen() == ([b"c"], [], b"")


def test_the_dead_count_once(workers):
    """A dead worker's snapshot is seen until his cell is taken, then among what the dead left, never twice or not."""
    one, reader = workers(1), workers()
    one.publish(b"one")
    workers.dead.add(1)
    assert reader.seen() == ([], [b"one"], b"")
    two = workers(2)
    assert reader.seen() == ([], [], b"one")
    two.publish(b"two")
    assert reader.seen() == ([b"two"], [], b"one")
    workers.dead.add(2)
    workers(3)
    assert reader.seen() == ([], [], b"one,two")


def test_published_just_before_death(workers, tmp_path):
    """What a worker publishes after another has looked at the table, and before it is seen dead, is not lost."""
    one = workers(1)
    one.publish(b"old")

    def lives(pid, start):
        if pid == 1 and 1 not in workers.dead:
            one.publish(b"last")
            workers.dead.add(1)
        return pid not in workers.dead

    reader = WorkerFile(tmp_path / "file", lives, fold)
    assert reader.seen() == ([], [b"last"], b"")
    reader.close()
    workers.dead.clear()
    two = WorkerFile(tmp_path / "file", lives, fold)
    assert two.take(2, 1)
    assert two.seen() == ([], [], b"last")
    two.close()


def test_many_restarts_take_no_room(workers, tmp_path):
    """Workers may come and go a thousand times: all that they counted is there, and the disk holds what it held."""
    reader, sizes = workers(), []
    for number in range(1000):
        file = WorkerFile(
            tmp_path / "file",
            lambda pid, start: pid not in workers.dead,
            lambda before, left: b"%d" % (int(before or b"0") + len(left)),
        )
        assert file.take(number + 1, 1)
        file.publish(b"1")
        file.close()
        workers.dead.add(number + 1)
        sizes.append((tmp_path / "file").stat().st_blocks)
    seen = reader.seen()
    assert int(seen.folded) + len(seen.dead) == 1000
    assert sizes[-1] == sizes[10]


def test_no_more_than_there_is_room_for(workers):
    """The 129th living worker is told that there is no room, and spoils nothing."""
    for pid in range(1, CELLS):
        workers(pid)
    assert not workers().take(CELLS, 1)
    workers.dead.add(5)
    assert workers().take(CELLS, 1)


@pytest.mark.parametrize("at", range(0, _ENTRY_BYTES, 3))
def test_a_damaged_entry_costs_its_worker_alone(workers, tmp_path, at):
    """An entry damaged at any byte hides at most its own worker."""
    one, two, reader = workers(1), workers(2), workers()
    one.publish(b"one")
    two.publish(b"two")
    with (tmp_path / "file").open("r+b") as file:
        file.seek(_ENTRY_BYTES + at)
        file.write(b"\xaa")
    assert b"two" in everything(reader.seen())
    one.publish(b"again")
    assert everything(reader.seen()) == [b"again", b"two"]


@pytest.mark.slow
def test_a_frozen_taker_delays_no_reader(workers, tmp_path):
    """While a process is stopped with the file's lock, others read and publish at once."""
    one, reader = workers(1), workers()
    pid = os.fork()
    if pid == 0:
        import fcntl

        fcntl.flock(os.open(tmp_path / "file", os.O_RDWR), fcntl.LOCK_EX)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(pid, os.WUNTRACED)
    try:
        began = time.monotonic()
        one.publish(b"one")
        assert reader.seen().living == [b"one"]
        assert time.monotonic() - began < 1
        assert not workers().take(9, 1)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert workers().take(9, 1)


@pytest.mark.slow
def test_killed_at_any_moment(workers, tmp_path):
    """Workers killed while they publish or take leave a whole snapshot; a reader sees none twice and no count fall."""
    reader = workers()
    reader._fold = lambda before, left: b"%d" % (int(before or b"0") + sum(map(int, left)))
    add, lives = reader._fold, lambda pid, start: pid not in workers.dead
    seen, last = 0, 0
    for number in range(60):
        ready, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            file = WorkerFile(tmp_path / "file", lives, add)
            file.take(number + 1, 1)
            for count in range(1, 1 << 30):
                file.publish(b"%d" % count)
                if count == 1:
                    os.write(tell, b"1")
        os.close(tell)
        os.read(ready, 1)
        os.close(ready)
        time.sleep(0.001)
        found = reader.seen()
        seen = sum(map(int, [*found.living, *found.dead, found.folded or b"0"]))
        assert seen > last
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        last = seen
        workers.dead.add(number + 1)
    found = reader.seen()
    assert sum(map(int, [*found.living, *found.dead, found.folded or b"0"])) >= last


def test_read_while_many_write(workers):
    """A reader meets writers at work all the time, and sees a whole snapshot of each, never an older one."""
    stop, files = threading.Event(), [workers(pid) for pid in (1, 2)]

    def write(file):
        number = 0
        while not stop.is_set():
            number += 1
            file.publish((b"%d " % number) * 2000)

    for file in files:
        file.publish(b"0 ")
    threads = [threading.Thread(target=write, args=(file,)) for file in files]
    for thread in threads:
        thread.start()
    try:
        reader, last = workers(), [0, 0]
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            found = reader.seen().living
            assert len(found) == 2
            numbers = [set(map(int, text.split())) for text in found]
            assert [len(each) for each in numbers] == [1, 1]
            now = [each.pop() for each in numbers]
            assert all(new >= old for new, old in zip(now, last, strict=True))
            last = now
    finally:
        stop.set()
        for thread in threads:
            thread.join()
