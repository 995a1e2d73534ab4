"""Row 26: the broker goes away and comes back; messages are poison."""

import json
import subprocess
import sys
import time
from pathlib import Path

from free_ports import find_free_port
from harness.process import Program


class Broker:
    """A NATS server that comes back at the same port."""

    def __init__(self):
        self.port = find_free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._process = None

    def start(self):
        """Start it."""
        command = [Path(sys.executable).with_name("nats-server"), "-a", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def kill(self):
        """End it as `kill -9` does."""
        self._process.kill()
        self._process.wait()


def test_broker_killed(tell, sink, tmp_path, pace):
    """While the broker is away and messages are poison, the program fares as without the kit; each span arrives."""
    broker, programs = Broker(), []
    broker.start()
    try:
        for setup in ("bare", "kit"):
            environment = {"SETUP": setup, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
            programs.append(Program("-m", "harness.messages", broker.url, directory=tmp_path / setup, **environment))
        end = time.monotonic() + 30
        while not all((program.directory / "ready").exists() for program in programs):
            assert time.monotonic() < end, [program.stderr() for program in programs]
            time.sleep(0.02)
        time.sleep(pace.phase_seconds)
        broker.kill()
        time.sleep(pace.phase_seconds)
        broker.start()
        time.sleep(pace.phase_seconds)
        for program in programs:
            (program.directory / "stop").touch()
        for program in programs:
            assert program.popen.wait(60) == 0, program.stderr()
    finally:
        broker.kill()
        for program in programs:
            program.close()
    bare, kit = (json.loads((program.directory / "seen").read_text()) for program in programs)
    traces, wrong = kit["books"]["traces"], []
    spans = kit["sent"] + len(kit["handled"])
    if bare["outcomes"].keys() != kit["outcomes"].keys():
        wrong.append(f"{bare['outcomes']} without the kit, {kit['outcomes']} with it")
    if not traces["accepted"] == traces["delivered"] == len(sink.ids("traces")) == spans:
        wrong.append(f"{spans} spans were made: {traces}, {len(sink.ids('traces'))} taken")
    figures = f"{kit['sent']} messages, {len(kit['handled'])} handled; publishing {kit['outcomes']}, as without the kit"
    tell("NATS killed and started again, one message in ten poison, headers of 60 kB", figures.replace("'", ""), wrong)
    assert len(kit["handled"]) == len(set(kit["handled"])) > 0
