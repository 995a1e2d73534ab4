"""Run the gateway: `python -m shop.gateway`."""

import os

import uvicorn

from instrumentation import instrument
from shop.gateway.app import create_app
from shop.gateway.settings import Settings

if __name__ == "__main__":
    settings = Settings.read(os.environ)
    app = create_app(settings)
    instrument(app, service_name="gateway")
    # No log_config: uvicorn's lines go the way of all others.
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, timeout_graceful_shutdown=3)
