"""Small blocks become large ones, and nothing is lost on the way."""

import pytest


@pytest.mark.slow
def test_many_small_exports_are_merged(start, client_of, make):
    """Exports of one span each end up in few blocks, each trace still found and counted once."""
    spans = [make.span(name=f"small {number}", kind=2) for number in range(40)]
    with start() as running:
        client = client_of(running)
        for span in spans:
            client.send_traces(make.traces(span))
            client.send_logs(make.logs(make.log(f"line of {span.name}", trace_id=span.trace_id)))
        [segment] = running._console._directory.segments()
        blocks = _blocks(running)
        for span in spans:
            [batch] = client.get(f"/api/traces/{span.trace_id.hex()}").json()["batches"]
            assert batch["scopeSpans"][0]["spans"][0]["name"] == span.name
            query = f'{{service_name="shop"}} | trace_id = "{span.trace_id.hex()}"'
            [stream] = client.get("/loki/api/v1/query_range", query=query).json()["data"]["result"]
            assert stream["values"][0][1] == f"line of {span.name}"
        found = client.get("/api/search", q='{ name =~ "small .*" }', limit=100).json()["traces"]
        assert [one["rootTraceName"] for one in found] == [span.name for span in reversed(spans)]
        [shop] = client.get("/api/overview").json()["services"]
        assert (shop["spans"], shop["total"]["requests"]) == (40, 40)
        client.http.close()
    assert segment.path.exists()
    assert all(count <= 17 for count in blocks)


def _blocks(running):
    directory = running._console._directory
    reader = directory.pool.take(directory.segments()[0])
    try:
        return [reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("span_block", "log_block")]
    finally:
        directory.pool.give_back(reader)
