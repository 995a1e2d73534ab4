"""The metrics and labels that the panels and rules speak of."""

from instrumentation import semconv
from instrumentation.encode.prometheus_name import label_name
from mixin.metric import Metric

# Labels
SERVICE = label_name(semconv.SERVICE_NAME)
VERSION = label_name(semconv.SERVICE_VERSION)
INSTANCE = label_name(semconv.SERVICE_INSTANCE_ID)
METHOD = label_name(semconv.HTTP_REQUEST_METHOD)
ROUTE = label_name(semconv.HTTP_ROUTE)
STATUS = label_name(semconv.HTTP_RESPONSE_STATUS_CODE)
SERVER_ADDRESS = label_name(semconv.SERVER_ADDRESS)
SERVER_PORT = label_name(semconv.SERVER_PORT)
RPC_METHOD = label_name(semconv.RPC_METHOD)
RPC_STATUS = label_name(semconv.RPC_RESPONSE_STATUS_CODE)
DESTINATION = label_name(semconv.MESSAGING_DESTINATION_NAME)
OPERATION = label_name(semconv.MESSAGING_OPERATION_NAME)
SYSTEM = label_name(semconv.MESSAGING_SYSTEM)
ERROR = label_name(semconv.ERROR_TYPE)
CPU_MODE = label_name(semconv.CPU_MODE)
GC_GENERATION = label_name(semconv.CPYTHON_GC_GENERATION)
COMPONENT = label_name(semconv.OTEL_COMPONENT_TYPE)

# Requests, calls, messages
HTTP_SERVER = Metric(semconv.HTTP_SERVER_REQUEST_DURATION, "histogram", "s")
HTTP_CLIENT = Metric(semconv.HTTP_CLIENT_REQUEST_DURATION, "histogram", "s")
RPC_SERVER = Metric(semconv.RPC_SERVER_CALL_DURATION, "histogram", "s")
RPC_CLIENT = Metric(semconv.RPC_CLIENT_CALL_DURATION, "histogram", "s")
PUBLISH = Metric(semconv.MESSAGING_CLIENT_OPERATION_DURATION, "histogram", "s")
PROCESS = Metric(semconv.MESSAGING_PROCESS_DURATION, "histogram", "s")
SENT = Metric(semconv.MESSAGING_CLIENT_SENT_MESSAGES, "counter", "{message}")
CONSUMED = Metric(semconv.MESSAGING_CLIENT_CONSUMED_MESSAGES, "counter", "{message}")

# Databases
DB_QUERIES = Metric(semconv.DB_CLIENT_OPERATION_DURATION, "histogram", "s")
DB_OPERATION = label_name(semconv.DB_OPERATION_NAME)
DB_TABLE = label_name(semconv.DB_COLLECTION_NAME)
POOL = label_name(semconv.DB_CLIENT_CONNECTION_POOL_NAME)
POOL_STATE = label_name(semconv.DB_CLIENT_CONNECTION_STATE)
POOL_COUNT = Metric(semconv.DB_CLIENT_CONNECTION_COUNT, "up_down_counter", "{connection}")
POOL_PENDING = Metric(semconv.DB_CLIENT_CONNECTION_PENDING_REQUESTS, "up_down_counter", "{request}")
POOL_TIMEOUTS = Metric(semconv.DB_CLIENT_CONNECTION_TIMEOUTS, "counter", "{timeout}")
POOL_WAIT = Metric(semconv.DB_CLIENT_CONNECTION_WAIT_TIME, "histogram", "s")
POOL_USE = Metric(semconv.DB_CLIENT_CONNECTION_USE_TIME, "histogram", "s")

# The process
CPU_TIME = Metric(semconv.PROCESS_CPU_TIME, "counter", "s")
MEMORY = Metric(semconv.PROCESS_MEMORY_USAGE, "up_down_counter", "By")
THREADS = Metric(semconv.PROCESS_THREAD_COUNT, "up_down_counter", "{thread}")
FILE_DESCRIPTORS = Metric(semconv.PROCESS_UNIX_FILE_DESCRIPTOR_COUNT, "up_down_counter", "{file_descriptor}")
GC_COLLECTIONS = Metric(semconv.CPYTHON_GC_COLLECTIONS, "counter", "{collection}")
GC_COLLECTED = Metric(semconv.CPYTHON_GC_COLLECTED_OBJECTS, "counter", "{object}")
LOOP_DELAY = Metric(semconv.ASYNCIO_EVENTLOOP_DELAY, "histogram", "s")
LOOP_DELAY_MAX = Metric(semconv.ASYNCIO_EVENTLOOP_DELAY_MAX, "gauge", "s")
TASKS = Metric(semconv.ASYNCIO_TASK_COUNT, "up_down_counter", "{task}")

# The kit's ledger
SPANS_PROCESSED = Metric(semconv.OTEL_SDK_PROCESSOR_SPAN_PROCESSED, "counter", "{span}")
SPANS_QUEUED = Metric(semconv.OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE, "up_down_counter", "{span}")
SPANS_EXPORTED = Metric(semconv.OTEL_SDK_EXPORTER_SPAN_EXPORTED, "counter", "{span}")
LOGS_PROCESSED = Metric(semconv.OTEL_SDK_PROCESSOR_LOG_PROCESSED, "counter", "{log_record}")
LOGS_QUEUED = Metric(semconv.OTEL_SDK_PROCESSOR_LOG_QUEUE_SIZE, "up_down_counter", "{log_record}")
LOGS_EXPORTED = Metric(semconv.OTEL_SDK_EXPORTER_LOG_EXPORTED, "counter", "{log_record}")
POINTS_EXPORTED = Metric(semconv.OTEL_SDK_EXPORTER_METRIC_DATA_POINT_EXPORTED, "counter", "{data_point}")
LEDGER = (SPANS_PROCESSED, SPANS_EXPORTED, LOGS_PROCESSED, LOGS_EXPORTED, POINTS_EXPORTED)
"""Every metric that has a loss among its series, told by the label `ERROR`."""

# Reliability patterns
GROUP = label_name(semconv.MESSAGING_CONSUMER_GROUP_NAME)
BACKLOG = Metric(semconv.MESSAGING_BACKLOG, "gauge", "{message}")
MESSAGE_AGE = Metric(semconv.MESSAGING_MESSAGE_AGE, "histogram", "s")
SAGA = label_name(semconv.SAGA_NAME)
SAGA_STATE = label_name(semconv.SAGA_STATE)
SAGA_OUTCOME = label_name(semconv.SAGA_OUTCOME)
SAGA_ENDED = Metric(semconv.SAGA_ENDED, "counter", "{saga}")
SAGA_ACTIVE = Metric(semconv.SAGA_ACTIVE, "gauge", "{saga}")
SAGA_OLDEST = Metric(semconv.SAGA_OLDEST_AGE, "gauge", "s")
CONSISTENCY_LAG = Metric(semconv.CONSISTENCY_LAG, "histogram", "s")
OUTBOX_DEPTH = Metric(semconv.OUTBOX_DEPTH, "gauge", "{message}")
OUTBOX_OLDEST = Metric(semconv.OUTBOX_OLDEST_AGE, "gauge", "s")
OUTBOX_DELAY = Metric(semconv.OUTBOX_DELAY, "histogram", "s")
INBOX = Metric(semconv.INBOX_MESSAGES, "counter", "{message}")
INBOX_OUTCOME = label_name(semconv.INBOX_OUTCOME)
IDEMPOTENCY = Metric(semconv.IDEMPOTENCY_REQUESTS, "counter", "{request}")
IDEMPOTENCY_OUTCOME = label_name(semconv.IDEMPOTENCY_OUTCOME)
DEAD_LETTERS = Metric(semconv.DEAD_LETTERS, "counter", "{message}")
BREAKER = label_name(semconv.BREAKER_NAME)
BREAKER_STATE_IS = label_name(semconv.BREAKER_STATE)
BREAKER_STATE = Metric(semconv.BREAKER_STATE, "gauge", "1")
BREAKER_REJECTED = Metric(semconv.BREAKER_REJECTED, "counter", "{call}")
BREAKER_FALLBACKS = Metric(semconv.BREAKER_FALLBACKS, "counter", "{call}")
RETRY = label_name(semconv.RETRY_NAME)
RETRY_OUTCOME = label_name(semconv.RETRY_OUTCOME)
RETRY_CALLS = Metric(semconv.RETRY_CALLS, "counter", "{call}")
RETRY_RESENDS = Metric(semconv.RETRY_RESENDS, "counter", "{attempt}")

# The shop
OUTCOME = label_name("outcome")
ORDERS_SETTLED = Metric("shop.orders.settled", "counter", "{order}")
RESERVATIONS = Metric("shop.inventory.reservations", "counter", "{order}")
PAYMENTS_DECIDED = Metric("shop.payments.decided", "counter", "{payment}")
