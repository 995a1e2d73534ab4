"""The spool's promises: what was appended comes back once, in order, whatever happened to process and disk."""

import os
import resource
import signal

import pytest

from instrumentation.pipeline.spool import SEGMENT_BYTES, Spool

SCOPE = b"scope"


def batch(number, size=0):
    return [(SCOPE, b"%d.%d" % (number, place) + b"x" * size) for place in range(3)]


@pytest.fixture
def make(tmp_path):
    """Make spools on one directory, as processes have; `said` is what they tell."""
    made = []

    def make(max_bytes=1 << 30, directory=tmp_path / "spool"):
        made.append(Spool(directory, "traces", max_bytes, lambda key, text: make.said.append(text)))
        return made[-1]

    make.said = []
    yield make
    for spool in made:
        spool.close()


def die(spool):
    """Do as the kernel does when a process is killed: let go of the files and their locks."""
    for segment in spool._segments:
        os.close(segment.file)
    spool._segments.clear()


def drain(spool):
    """Return the batches that are left, acknowledging each."""
    found = []
    while True:
        while (spooled := spool.read()) is not None:
            found.append(spooled)
            spool.acknowledge()
        spool._look_at = 0.0
        if not spool.adopt() and not spool.unread:
            return found


def files(tmp_path):
    return sorted(path for path in (tmp_path / "spool").iterdir())


def test_in_order_and_once(make, tmp_path):
    """Batches come back in order with their resource; once acknowledged they are gone, from the disk too."""
    spool = make()
    for number in range(100):
        assert spool.append(b"me", batch(number))
    assert (spool.unread, spool.loaded) == (300, 0)
    assert drain(spool) == [(b"me", batch(number)) for number in range(100)]
    assert (spool.unread, spool.loaded) == (0, 0)
    spool.close()
    assert files(tmp_path) == []
    assert drain(make()) == []


def test_what_was_not_acknowledged_comes_again(make):
    """After a death all comes again but what was acknowledged; the batch under way does."""
    spool = make()
    for number in range(5):
        spool.append(b"dead", batch(number))
    for _ in range(2):
        spool.read()
        spool.acknowledge()
    spool.read()
    die(spool)
    assert drain(make()) == [(b"dead", batch(number)) for number in (2, 3, 4)]


def test_torn_at_every_byte(make, tmp_path):
    """A segment cut at any byte gives every whole batch before the cut; the next start is clean."""
    spool = make()
    for number in range(3):
        spool.append(b"r", batch(number))
    (path,) = files(tmp_path)
    die(spool)
    whole = path.read_bytes()
    ends = [len(whole) - (len(whole) - 16) * left // 3 for left in (3, 2, 1, 0)]  # three batches of one size
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        count = sum(end <= size for end in ends[1:])
        assert drain(make()) == [(b"r", batch(number)) for number in range(count)], size
        assert files(tmp_path) == []


def test_damaged_at_every_byte(make, tmp_path):
    """A byte that is wrong costs at most the batch that it is in."""
    spool = make()
    for number in range(3):
        spool.append(b"r", batch(number))
    (path,) = files(tmp_path)
    die(spool)
    whole = path.read_bytes()
    for at in range(16, len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        hit = (at - 16) * 3 // (len(whole) - 16)
        assert drain(make()) == [(b"r", batch(number)) for number in range(3) if number != hit], at
    assert any("torn or damaged" in text for text in make.said)


def test_the_size_is_capped(make, tmp_path):
    """Beyond its bytes the spool refuses, and takes batches again once some are acknowledged."""
    spool = make(max_bytes=3 * SEGMENT_BYTES)
    taken = 0
    while spool.append(b"r", batch(taken, 100_000)):
        taken += 1
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 3 * SEGMENT_BYTES
    assert "the spool holds its" in make.said[-1]
    for _ in range(taken // 2):
        spool.read()
        spool.acknowledge()
    assert spool.append(b"r", batch(taken, 100_000))
    assert [each.records[0][1][:4] for each in drain(spool)][-1] == batch(taken, 100_000)[0][1][:4]


def test_a_long_healthy_run_keeps_the_disk_empty(make, tmp_path):
    """Batches that are acknowledged as they come leave one small file, and none at the end."""
    spool = make()
    for number in range(200):
        spool.append(b"r", batch(number, 50_000))
        assert spool.read() == (b"r", batch(number, 50_000))
        spool.acknowledge()
        assert sum(path.stat().st_size for path in files(tmp_path)) <= SEGMENT_BYTES // 4 + 200_000
    spool.close()
    assert files(tmp_path) == []


def test_a_full_disk(make, tmp_path):
    """When the disk takes no more, what is there stays whole, what does not fit is refused, and later it goes on."""
    spool = make()
    assert spool.append(b"r", batch(0))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        assert not spool.append(b"r", batch(1, 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "cannot be written, records wait in memory" in make.said[-1]
    assert spool.append(b"r", batch(2))
    assert drain(spool) == [(b"r", batch(0)), (b"r", batch(2))]


def test_a_disk_that_cannot_be_written(make, tmp_path):
    """A directory that cannot be made refuses every batch and raises nothing."""
    (tmp_path / "file").write_text("")
    spool = make(directory=tmp_path / "file" / "spool")
    assert not spool.append(b"r", batch(0))
    assert drain(spool) == []


def test_two_processes_on_one_directory(make):
    """What a living process has spooled is its own; what a dead one has is taken over by one of the others, once."""
    one, two, three = make(), make(), make()
    one.append(b"one", batch(1))
    two.append(b"two", batch(2))
    assert drain(three) == []
    die(one)
    assert [*drain(three), *drain(two)] == [(b"one", batch(1)), (b"two", batch(2))]
    assert drain(make()) == []


def test_a_forked_child_leaves_its_parents_alone(make):
    """A child has nothing of its parent's spool, and spools by itself."""
    spool = make()
    spool.append(b"parent", batch(1))
    pid = os.fork()
    if pid == 0:
        spool.forget_parent()
        right = spool.read() is None and spool.append(b"child", batch(2)) and spool.read() == (b"child", batch(2))
        os._exit(0 if right else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert drain(spool) == [(b"parent", batch(1)), (b"child", batch(2))]
