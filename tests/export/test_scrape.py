"""The scrape page in the format that was asked for."""

import pytest

from instrumentation.export import scrape
from tests.export.conftest import OPENMETRICS


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        (OPENMETRICS, True),
        ("application/openmetrics-text", True),
        ("text/plain, Application/OpenMetrics-Text; version=1.0.0", True),
        ("application/openmetrics-text; q=0", False),
        ("text/plain", False),
        ("*/*", False),
        ("", False),
        (";;,,q=\x00", False),
    ],
)
def test_format_follows_accept(store, accept, is_openmetrics):
    """OpenMetrics goes only to who accepts it; any other Accept header, broken ones too, gets the older text."""
    body, content_type = scrape.render(store, {}, accept)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0" if is_openmetrics else "text/plain")
    assert body.endswith(b"# EOF\n") is is_openmetrics
    assert (b"trace_id=" in body) is is_openmetrics
