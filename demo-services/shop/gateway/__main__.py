"""Run the gateway: `python -m shop.gateway`."""

import os

from instrumentation import instrument
from shop.gateway.app import create_app
from shop.gateway.drain import Drain, DrainingServer
from shop.gateway.settings import Settings

if __name__ == "__main__":
    settings = Settings.read(os.environ)
    drain = Drain(settings.drain_seconds)
    app = create_app(settings, drain)
    instrument(app, service_name="gateway")
    DrainingServer(app, settings.host, settings.port, drain).run()
