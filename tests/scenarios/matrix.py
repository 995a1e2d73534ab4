"""The matrix of scenarios and alerts: when each fired, and what of that is not as declared."""

import re

from alerting import ALERTS


def mistakes(scenario, fired, *, quick=False):
    """Return a sentence for each alert that came late, not at all, or though it should have been silent.

    Args:
        scenario: A `Scenario`.
        fired: Seconds from the fault to each alert that fired, by its name; below 0 where it fired before.
        quick: Whether windows were divided.
    """
    due = {alert: each.quick_seconds if quick else each.seconds for alert, each in scenario.fires.items()}
    found = [f"{alert} did not fire" for alert, latest in due.items() if latest is not None and alert not in fired]
    for alert, seconds in fired.items():
        latest = due.get(alert)
        if alert not in due and not (quick and alert in scenario.quick_may):
            found.append(f"{alert} fired after {seconds:.0f} s and should have been silent")
        elif seconds < 0:
            found.append(f"{alert} fired {-seconds:.0f} s before there was a fault")
        elif latest is not None and seconds > latest:
            found.append(f"{alert} fired after {seconds:.0f} s, later than {latest:g}")
    return found


def declared(scenarios):
    """Draw what is declared as a Markdown table."""
    lines = ["| scenario | what happens | must fire within |", "|---|---|---|"]
    for each in scenarios.values():
        fires = ", ".join(f"{name} {due.seconds:g}" for name, due in each.fires.items())
        lines.append(f"| `{each.name}` | {each.summary} | {fires} |")
    return "\n".join(lines)


def placed(text, title, table):
    """Return a page with the table of a title, which stands between two comments, in place of the one before."""
    return _between(title).sub(lambda found: f"{found[1]}\n{table}\n{found[3]}", text)


def told(text, title, scenarios, fired, *, quick=False):
    """Return a page whose table of a title has the scenarios that were run; those that were not stay as they were."""
    before = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", _between(title).search(text)[2], re.MULTILINE))
    now = {name: _in_order(scenarios[name], seen, quick) for name, seen in fired.items()}
    rows = [f"| `{name}` | {now.get(name) or before[name]} |" for name in scenarios if name in {**before, **now}]
    return placed(text, title, "\n".join(["| scenario | fired after seconds |", "|---|---|", *rows]))


def _between(title):
    return re.compile(f"(<!-- {title} -->)(.*?)(<!-- end of {title} -->)", re.DOTALL)


def _in_order(scenario, fired, quick):
    return ", ".join(f"{alert} {_cell(scenario, alert, fired, quick)}" for alert in sorted(fired, key=fired.get)) or "·"


def drawn(scenarios, fired, *, quick=False):
    """Draw the matrix as a Markdown table: seconds to detect; `·` is silence, as it should be.

    A number in brackets is an alert that a quick run does not mind.
    """
    shown = [alert for alert in ALERTS if any(alert in each for each in fired.values())]
    head = ["scenario", *shown]
    rows = [[name, *(_cell(scenarios[name], alert, fired[name], quick) for alert in shown)] for name in fired]
    lines = [head, ["---", *["--:"] * len(shown)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(scenario, alert, fired, quick):
    if alert not in fired:
        return "·"
    due = scenario.fires.get(alert)
    minded = due is not None and (not quick or due.quick_seconds is not None)
    return f"{fired[alert]:.0f}" if minded else f"({fired[alert]:.0f})"
