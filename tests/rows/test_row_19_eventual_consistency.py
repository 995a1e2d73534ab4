"""Row 19: eventual consistency, with the time that it takes as a metric. Convergence after faults: rows 17, 21, 30."""

LAG = "clew.consistency.lag"


def test_the_time_until_all_agree_is_a_distribution_by_outcome(place_order, settled, metric, exported, eventually):
    """Each order adds one observation of the time from its acceptance to its end, confirmed and cancelled apart."""

    def counts():
        return [metric(LAG, clew__saga__outcome=outcome) for outcome in ("completed", "compensated")]

    exported()
    before = counts()
    settled(place_order())
    settled(place_order("declined-bob"))
    eventually(lambda: counts() == [count + 1 for count in before])
