"""Row 29: what metrics say is true at every moment."""

import threading
import time
import urllib.request

from harness.invariants import breaches
from prometheus_client.openmetrics.parser import text_string_to_metric_families

SCRAPE_SECONDS = 0.1
ACCEPT = {"Accept": "application/openmetrics-text"}
COUNTS = ("_total", "_count", "_bucket", "_sum")


class Scraper:
    """Reads a service's page ten times a second."""

    def __init__(self, port):
        self.pages = []
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._over.wait(SCRAPE_SECONDS):
            started = time.monotonic()
            with urllib.request.urlopen(urllib.request.Request(self._url, headers=ACCEPT), timeout=20) as response:
                self.pages.append((time.monotonic() - started, response.read().decode()))

    def stop(self):
        """Return the pages and how long each took."""
        self._over.set()
        self._thread.join()
        return self.pages


def samples_of(page):
    """Return value and exemplar of each series of a page."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample
        for family in text_string_to_metric_families(page)
        if family.type in ("counter", "histogram")
        for sample in family.samples
        if sample.name.endswith(COUNTS)
    }


def fallen(pages):
    """Return the series of which a later page has less than an earlier one."""
    highest = {}
    for samples in pages:
        for key, sample in samples.items():
            if sample.value < highest.get(key, 0):
                yield f"{key} fell from {highest[key]} to {sample.value}"
            highest[key] = sample.value


def disagreeing(pages):
    """Return the histograms whose last bucket is not their count."""
    for samples in pages:
        for (name, labels), sample in samples.items():
            if name.endswith("_count"):
                last = samples.get((f"{name[:-6]}_bucket", tuple(sorted((*labels, ("le", "+Inf"))))))
                if last is not None and last.value != sample.value:
                    yield f"{name}{labels}: {sample.value}, its last bucket {last.value}"


def test_scraped_under_load(run, tell):
    """Counters never fall, buckets add up to their count, exemplars lead to spans that arrived."""
    scrapers, begun, sinks = [], time.time(), []

    def kill(attacked):
        sinks.append(attacked.sink)
        scrapers.append(Scraper(attacked.service.port))
        attacked.sink.kill()

    def start(attacked):
        attacked.sink.start()
        scrapers[0].stop()

    record = run(kill, start, rate=200.0)  # as much as memory holds: the exemplars of what is dropped lead nowhere
    (scraper,) = scrapers
    pages = [samples_of(page) for _, page in scraper.pages]
    arrived = {trace for taken in record.attacked.taken for trace in taken.traces}
    exemplars = {
        sample.exemplar.labels["trace_id"]
        for samples in pages
        for sample in samples.values()
        if sample.exemplar and float(sample.exemplar.timestamp) > begun
    }
    wrong = [*breaches(record), *fallen(pages), *disagreeing(pages)]
    if exemplars - arrived:
        wrong.append(f"{len(exemplars - arrived)} of {len(exemplars)} exemplars lead nowhere")
    slowest = max(seconds for seconds, _ in scraper.pages)
    figures = f"{len(pages)} scrapes, the slowest {slowest * 1000:.0f} ms; {len(exemplars)} exemplars, all found"
    tell("scraped ten times a second under load, backend killed", f"{figures}; {record.figures()}", wrong)
    assert len(pages) > 3
    assert exemplars
    served = record.attacked.requests_before + len(record.attacked.requests)
    assert told_in_the_end(sinks[0], served) == served


def told_in_the_end(sink, served):
    """Return the requests that the newest metrics tell of, once they are all: a service sends them at intervals."""
    end = time.monotonic() + 10
    while (told := sink.taken("metrics")[-1].requests) < served and time.monotonic() < end:
        time.sleep(0.05)
    return told
