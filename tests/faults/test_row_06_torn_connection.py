"""Row 6: connections that are torn, and certificates that are wrong."""

import datetime
import ssl

import pytest
import trustme
from harness.proxy import Weather
from harness.record import all_arrived


def test_reset(run, judge):
    """A connection reset within the body costs no request; then every record arrives."""
    record = run(
        lambda attacked: attacked.proxy.turn(Weather.RESET), lambda attacked: attacked.proxy.turn(Weather.FAIR)
    )
    judge("RST within the body", record)
    assert all_arrived(record)


@pytest.mark.slow
def test_certificate(trial, judge, tmp_path):
    """No record goes to who has the wrong certificate, with TLS or without; once it is right every record arrives."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    expired = ca.issue_cert("127.0.0.1", not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    attacked = trial(tls=context(expired), OTEL_EXPORTER_OTLP_CERTIFICATE=str(tmp_path / "ca.pem"))
    seen = []

    def show(certificate):
        seen.extend(attacked.sink.taken())
        attacked.proxy.tls = context(certificate)
        attacked.proxy.turn(Weather.REFUSED)
        attacked.proxy.turn(Weather.FAIR)

    begin, end = ca.issue_cert("example.org"), ca.issue_cert("127.0.0.1")
    record = attacked.run(lambda: show(begin), lambda: show(end))
    told = "a certificate that has expired, then one of another host"
    judge(told, record, f"; {len(seen)} requests reached the backend before that was mended")
    assert seen == []
    assert "certificate verify failed" in record.attacked.stderr
    assert all_arrived(record)


def context(certificate):
    """Return what a server shows the certificate with."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made
