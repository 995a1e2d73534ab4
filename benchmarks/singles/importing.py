"""What importing the kit's public names costs, with all they need; and of that what is not the kit."""

import json
import time

begin = time.process_time()
import opentelemetry.trace  # noqa: E402, F401
import prometheus_client  # noqa: E402, F401
import structlog  # noqa: E402, F401

needed = time.process_time()
from instrumentation import Settings, get_logger, instrument, span  # noqa: E402, F401

end = time.process_time()
print(json.dumps({"all": (end - begin) * 1000, "what it needs": (needed - begin) * 1000}))
