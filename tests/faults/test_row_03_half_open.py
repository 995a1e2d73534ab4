"""Row 3: half-open TCP."""

from harness.proxy import Weather


def test_half_open(judge_breaking_off):
    """An export to who accepts and never reads is broken off at its timeout; then every record arrives."""
    judge_breaking_off(Weather.HALF_OPEN, "connections accepted, never read")
