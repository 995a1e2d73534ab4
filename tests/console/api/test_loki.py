"""The log API in Loki's shape."""

import os

import pytest


def test_a_stream_has_labels_and_structured_metadata(console, make):
    """Resource attributes, ids, level and the record's attributes are one stream; the line is the body."""
    mark, trace_id, span_id = os.urandom(6).hex(), os.urandom(16), os.urandom(8)
    attributes = {"request_id": "r-1", "http.route": "/x", "count": 3}
    record = make.log("hello", trace_id=trace_id, span_id=span_id, severity_text="INFO", attributes=attributes)
    console.send_logs(make.logs(record, service=f"loki-{mark}"))
    answer = console.get("/loki/api/v1/query_range", query=f'{{service_name="loki-{mark}"}}').json()
    assert answer == {
        "status": "success",
        "data": {
            "resultType": "streams",
            "result": [
                {
                    "stream": {
                        "service_name": f"loki-{mark}",
                        "trace_id": trace_id.hex(),
                        "span_id": span_id.hex(),
                        "request_id": "r-1",
                        "http_route": "/x",
                        "count": "3",
                        "severity_number": "9",
                        "severity_text": "INFO",
                        "detected_level": "info",
                    },
                    "values": [[str(record.time_unix_nano), "hello"]],
                }
            ],
        },
    }


def test_direction_and_limit_choose_the_end(console, make):
    """Backward gives the newest lines, forward the oldest, and a range in ns or seconds is half open."""
    mark = os.urandom(6).hex()
    records = [make.log(f"line {second}", time_ns=second * 10**9) for second in range(100, 105)]
    query = f'{{service_name="dir-{mark}"}}'
    assert console.post("/v1/logs", make.logs(*records, service=f"dir-{mark}")).status_code == 200
    span = {"query": query, "start": "100000000000", "end": 104}
    path = "/loki/api/v1/query_range"
    console.wait(path, lambda answer: answer.json()["data"]["result"], **span)

    def lines(**parameters):
        [stream] = console.get(path, **span, **parameters).json()["data"]["result"]
        return [line for _, line in stream["values"]]

    assert lines(limit=2) == ["line 103", "line 102"]
    assert lines(limit=2, direction="forward") == ["line 100", "line 101"]


@pytest.mark.parametrize(
    "parameters",
    [{}, {"query": '{a="b"} | json'}, {"query": '{a="b"}', "direction": "up"}, {"query": '{a="b"}', "limit": 5001}],
)
def test_wrong_parameters_are_named(console, parameters):
    """A query outside of the subset or a wrong parameter is 400 with an explanation."""
    answer = console.get("/loki/api/v1/query_range", **parameters)
    assert (answer.status_code, answer.json()["status"]) == (400, "error")


def test_labels_and_values_list_the_resources(console, make):
    """The labels a selector can use are listed with their values."""
    mark = os.urandom(6).hex()
    console.send_logs(make.logs(make.log(f"label {mark}"), service=f"label-{mark}"))
    assert "service_name" in console.get("/loki/api/v1/labels").json()["data"]
    assert f"label-{mark}" in console.get("/loki/api/v1/label/service_name/values").json()["data"]
