"""The code of the guides is run as it stands."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
BLOCKS = [
    pytest.param(block, id=f"{guide}-{number}")
    for guide in ("opentelemetry", "frameworks")
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", (DOCS / f"{guide}.md").read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_of_the_guides_runs(run, otlp_sink, block):
    """A block runs without a word on stderr, and its span `charge` arrives."""
    status, out, err = run(block)
    assert (status, err) == (0, "")
    (charge,) = [record for record in otlp_sink.records("traces") if record.name == "charge"]
    if "basicConfig" in block:
        assert out == f"WARNING charged trace={charge.trace_id.hex()}\n"
