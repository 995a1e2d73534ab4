"""The code of the guides is run as it stands."""

import re
from pathlib import Path

import pytest

GUIDE = (Path(__file__).parents[1] / "docs" / "opentelemetry.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_block_of_the_opentelemetry_guide_runs(run, otlp_sink, number):
    """A block runs without a word on stderr, and its span `charge` arrives."""
    status, out, err = run(BLOCKS[number])
    assert (status, err) == (0, "")
    (charge,) = [record for record in otlp_sink.records("traces") if record.name == "charge"]
    if "basicConfig" in BLOCKS[number]:
        assert out == f"WARNING charged trace={charge.trace_id.hex()}\n"
