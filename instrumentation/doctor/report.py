"""What the doctor says: hops with a tick, or the first broken one with its cause and its fix."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TextIO

GREEN, RED, BOLD, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong.

    Attributes:
        name: Stable name, such as `prometheus-exemplar-storage`.
        cause: What was seen.
        fix: What to change, and where.
    """

    name: str
    cause: str
    fix: str


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of the walk.

    Attributes:
        name: What is followed, such as `exemplar`.
        said: What was found there, in one line.
        findings: What is wrong; empty if the hop holds.
    """

    name: str
    said: str
    findings: tuple[Finding, ...] = ()


def is_well(hops: Iterable[Hop]) -> bool:
    """Tell whether every hop holds."""
    return not any(hop.findings for hop in hops)


def as_json(hops: Sequence[Hop]) -> str:
    """Return `{"ok", "hops": [{"name", "said", "findings": [{"name", "cause", "fix"}]}]}`."""
    return json.dumps({"ok": is_well(hops), "hops": [asdict(hop) for hop in hops]}, indent=2)


def write_hop(hop: Hop, out: TextIO) -> None:
    """Write a hop; in colours on a terminal."""
    good, bad, bold, plain = (GREEN, RED, BOLD, PLAIN) if out.isatty() else ("", "", "", "")
    mark = f"{bad}✗{plain}" if hop.findings else f"{good}✓{plain}"
    out.write(f"  {mark} {hop.name:10} {hop.said}\n")
    for finding in hop.findings:
        out.write(f"      {bold}{finding.name}{plain}\n")
        out.write(f"      cause: {finding.cause}\n")
        out.write(f"      fix:   {finding.fix}\n")
    out.flush()
