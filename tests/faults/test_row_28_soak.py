"""Row 28: faults at random, for a long time."""

import random
import time

import pytest
from harness.invariants import EXIT_SECONDS, EXIT_SLACK_SECONDS, breaches
from harness.pace import QUICK, SOAK_SECONDS, WHOLE
from harness.proxy import Weather
from harness.record import losses

QUICK_SECONDS = 4.0
SHARE_OF_FAULTS_RATE = 50 / 60
"""Half of what the services can serve; the other rows take 60 %."""
WARM_UP_SHARE = 0.25
SLOPE_MIB_PER_HOUR = 1.0
DRIFT = 0.05
SHORT_SECONDS = 1800.0
"""In less, a slope per hour and a drift of 5 % are below what can be told from noise: they are shown, not judged."""


@pytest.fixture(params=[pytest.param(QUICK, id="quick"), pytest.param(WHOLE, id="whole", marks=pytest.mark.soak)])
def pace(request):
    """How thorough the run is."""
    return request.param


def weather(kind):
    """Return what begins and what ends a kind of weather."""
    return lambda trial: trial.proxy.turn(kind), lambda trial: trial.proxy.turn(Weather.FAIR)


FAULTS = {
    "killed": (lambda trial: trial.sink.kill(), lambda trial: trial.sink.start()),
    "frozen": (lambda trial: trial.sink.freeze(), lambda trial: trial.sink.thaw()),
    "refused": weather(Weather.REFUSED),
    "half-open": weather(Weather.HALF_OPEN),
    "dripping": weather(Weather.DRIPPING),
    "late": weather(Weather.LATE),
    "reset": weather(Weather.RESET),
    "503": (lambda trial: trial.sink.answer(status=503), lambda trial: trial.sink.answer()),
    "413": (lambda trial: trial.sink.answer(max_records=50), lambda trial: trial.sink.answer()),
}


def attack(trial, seconds, longest):
    """Let faults come and go until the time is over; return how often each came, and when all was well."""
    end, came, well = time.monotonic() + seconds, dict.fromkeys(FAULTS, 0), []
    while time.monotonic() < end:
        name = random.choice(list(FAULTS))
        begin, finish = FAULTS[name]
        came[name] += 1
        begin(trial)
        time.sleep(random.uniform(0.1, 1) * longest)
        finish(trial)
        time.sleep(random.uniform(0.5, 1) * longest)
        well.append(time.monotonic())
    return came, well


def slope_mib_per_hour(side, moments):
    """Return how fast memory grows, by least squares over what was held at these moments."""
    points = [(at, min(side.samples, key=lambda sample: abs(sample[0] - at))[1].rss_mib) for at in moments]
    middle, mean = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((at - middle) ** 2 for at, _ in points)
    return 3600 * sum((at - middle) * (rss - mean) for at, rss in points) / spread if spread else 0.0


def drift(side, window):
    """Return the p99 of the last quarter of a window over that of its first."""
    begin, end = window
    quarter = (end - begin) / 4
    return side.p99_ms((end - quarter, end)) / side.p99_ms((begin, begin + quarter))


@pytest.mark.timeout(int(SOAK_SECONDS) + 900)
@pytest.mark.slow
def test_soak(trial, tell, pace, rate):
    """After hours of faults memory is flat, latency is what it was, and the ledger is exact."""
    seconds = SOAK_SECONDS if pace.is_whole else QUICK_SECONDS
    attacked = trial(rate=rate * SHARE_OF_FAULTS_RATE)
    seen = []
    begun = time.monotonic()
    longest = 20.0 if pace.is_whole else 0.5
    record = attacked.run(lambda: seen.append(attack(attacked, seconds, longest)), lambda: None, 0.1)
    (came, well) = seen[0]
    side, window = record.attacked, (begun + WARM_UP_SHARE * seconds, record.marks[3])
    slope = slope_mib_per_hour(side, [at for at in well if at > window[0]] or well)
    figures = f"{seconds / 60:.0f} min, {came}; {record.figures()}; memory {slope:+.2f} MiB/h"
    wrong = [breach for breach in breaches(record) if "resumed" not in breach]
    if record.twin is not None:
        change = drift(side, window) / drift(record.twin, window) - 1
        figures += f"; p99 drifted {change:+.1%} from the twin's"
        if seconds >= SHORT_SECONDS and slope >= SLOPE_MIB_PER_HOUR:
            wrong.append(f"memory grows by {slope:.2f} MiB/h")
        if seconds >= SHORT_SECONDS and change >= DRIFT:
            wrong.append(f"p99 drifted by {change:.1%}")
    tell("faults of rows 1 to 6 at random, half of the load that can be served", figures.replace("'", ""), wrong)
    # An outage of 20 s under a load of thousands a second is more than the memory bound holds.
    expected = ("timeout", "queue_full") if pace.is_whole else ("timeout",)
    assert [name for name in losses(side.books) if not name.endswith(expected)] == []
    assert side.exit_seconds < EXIT_SECONDS + EXIT_SLACK_SECONDS
