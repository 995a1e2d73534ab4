"""What `clew canary` says: a line for each look, and how it ended; or the same as JSON, an object a line."""

import json
from collections.abc import Mapping

from instrumentation.canary.rollout import Outcome, Plan, Progress
from instrumentation.canary.sample import Sample

MEANINGS: Mapping[str, str] = {
    "held": "it held in all steps",
    "failures": "it fails more often than the stable version, and than is promised",
    "slow_calls": "more of its calls than of the stable version's, and than is promised, take too long",
    "slower": "its calls take longer altogether",
    "inconclusive": "the calls in the time of a step were too few to tell, or the difference too small",
    "blind": "the metrics could not be read any more",
    "interrupted": "it was interrupted",
}


def progress_line(plan: Plan, progress: Progress) -> str:
    """Return one line about a look."""
    look = progress.look
    canary = _sample_text(plan.canary, look.canary, look.burn_rates[1])
    stable = _sample_text(plan.stable, look.stable, look.burn_rates[0])
    decided = {"wait": "goes on", "pass": "passes", "fail": f"fails: {look.reason}"}[look.verdict]
    share = "as is" if progress.percent is None else f"{progress.percent:3g} %"
    return f"{share}  {canary} | {stable} | {decided}"


def _sample_text(version: str, sample: Sample, burn_rate: float) -> str:
    mean = f", mean {sample.mean_seconds * 1000:.1f} ms" if sample.successes else ""
    return f"{version}: {sample.calls} calls, {sample.failures} failed, burn {burn_rate:.1f}{mean}"


def outcome_line(plan: Plan, outcome: Outcome) -> str:
    """Return one line about the end."""
    share = "" if outcome.percent is None or outcome.promoted else f" from {outcome.percent:g} %"
    return f"{plan.service} {plan.canary} {_outcome(outcome)}{share}: {MEANINGS[outcome.reason]}"


def _outcome(outcome: Outcome) -> str:
    if outcome.percent is None:
        return "passed" if outcome.promoted else "failed"
    return "promoted" if outcome.promoted else "rolled back"


def progress_json(plan: Plan, progress: Progress) -> str:
    """Return `{"percent", "verdict", "reason", "canary": {...}, "stable": {...}}`."""
    look = progress.look
    return json.dumps(
        {
            "percent": progress.percent,
            "verdict": look.verdict,
            "reason": look.reason,
            "canary": _sample_data(plan, plan.canary, look.canary, look.burn_rates[1]),
            "stable": _sample_data(plan, plan.stable, look.stable, look.burn_rates[0]),
        }
    )


def _sample_data(plan: Plan, version: str, sample: Sample, burn_rate: float) -> dict[str, object]:
    return {
        "version": version,
        "calls": sample.calls,
        "failures": sample.failures,
        "slow": sample.slow(plan.rule.within_seconds),
        "mean_seconds": sample.mean_seconds,
        "burn_rate": burn_rate,
    }


def outcome_json(plan: Plan, outcome: Outcome) -> str:
    """Return `{"service", "canary", "outcome", "reason", "percent"}`."""
    return json.dumps(
        {
            "service": plan.service,
            "canary": plan.canary,
            "outcome": _outcome(outcome),
            "reason": outcome.reason,
            "percent": outcome.percent,
        }
    )
