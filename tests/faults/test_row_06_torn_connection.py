"""Row 6: connections that are torn, and certificates that are wrong."""

import datetime
import ssl

import pytest
import trustme
from harness.proxy import Weather


def test_reset(run, judge):
    """A connection reset within the body costs no request; then every record arrives."""
    record = run(
        lambda attacked: attacked.proxy.turn(Weather.RESET), lambda attacked: attacked.proxy.turn(Weather.FAIR)
    )
    judge("RST within the body", record)
    assert record.attacked.books["traces"]["delivered"] == len(record.attacked.requests)


CERTIFICATES = {
    "expired": lambda ca: ca.issue_cert("127.0.0.1", not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)),
    "of another host": lambda ca: ca.issue_cert("example.org"),
}


@pytest.mark.parametrize("wrong", CERTIFICATES)
def test_certificate(trial, judge, tmp_path, wrong):
    """No record goes to who has the wrong certificate, with TLS or without; once it is right every record arrives."""
    ca, contexts = trustme.CA(), []
    for certificate in (CERTIFICATES[wrong](ca), ca.issue_cert("127.0.0.1")):
        contexts.append(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        certificate.configure_cert(contexts[-1])
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    attacked = trial(tls=contexts[0], OTEL_EXPORTER_OTLP_CERTIFICATE=str(tmp_path / "ca.pem"))
    seen = []

    def mend():
        seen.extend(attacked.sink.taken())
        attacked.proxy.tls = contexts[1]
        attacked.proxy.turn(Weather.REFUSED)
        attacked.proxy.turn(Weather.FAIR)

    record = attacked.run(lambda: None, mend)
    judge(f"a certificate that is {wrong}", record, f"; {len(seen)} requests reached the backend before it was mended")
    assert seen == []
    assert "certificate verify failed" in record.attacked.stderr
    assert record.attacked.books["traces"]["delivered"] == len(record.attacked.requests)
