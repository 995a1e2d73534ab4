"""Row 16: the wall clock jumps."""

import time

from harness.record import all_arrived

HOUR = 3600
PAST_2038 = 14 * 365 * 24 * HOUR
OFFSETS = (HOUR, -HOUR, 0, *(step / 10 for step in range(10)), PAST_2038)


def test_jumps(run, judge, pace):
    """Durations are measured by another clock and timers wait by it: none is negative, and all goes on being sent."""

    def jump(attacked):
        file = attacked.service.directory / "offset"
        for offset in OFFSETS:
            replacement = file.with_name("next-offset")
            replacement.write_text(str(offset))
            replacement.replace(file)
            time.sleep(pace.phase_seconds / len(OFFSETS))

    record = run(jump, lambda attacked: (attacked.service.directory / "offset").unlink())
    shortest_ns = min(taken.shortest_ns for taken in record.attacked.taken if taken.ids and taken.signal == "traces")
    judge("wall clock +1 h, -1 h, slewed by 1 s, past 2038", record, f"; shortest span {shortest_ns / 1000:.0f} µs")
    assert shortest_ns > 0
    assert all_arrived(record)
