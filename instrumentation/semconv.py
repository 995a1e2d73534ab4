"""Every name that the kit emits, each with its source.

Names without a comment are stable in OpenTelemetry's semantic conventions 1.45.0, https://opentelemetry.io/docs/specs/semconv/.
"""

# Resource
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
SERVICE_INSTANCE_ID = "service.instance.id"
# No convention exists: what a replica was started as, such as stable, canary, blue or green. Configured, never guessed.
DEPLOYMENT_ROLE = "deployment.role"

# HTTP, /http/http-spans/ and /http/http-metrics/
HTTP_REQUEST_METHOD = "http.request.method"
HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original"
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count"
HTTP_ROUTE = "http.route"
HTTP_SERVER_REQUEST_DURATION = "http.server.request.duration"
HTTP_CLIENT_REQUEST_DURATION = "http.client.request.duration"
URL_FULL = "url.full"
URL_PATH = "url.path"
URL_SCHEME = "url.scheme"
CLIENT_ADDRESS = "client.address"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
NETWORK_PROTOCOL_VERSION = "network.protocol.version"
USER_AGENT_ORIGINAL = "user_agent.original"
ERROR_TYPE = "error.type"

# Websockets: no convention exists; the number is that of RFC 6455.
WEBSOCKET_CLOSE_CODE = "websocket.close_code"

# RPC, /rpc/rpc-spans/ and /rpc/rpc-metrics/
RPC_SYSTEM_NAME = "rpc.system.name"
RPC_METHOD = "rpc.method"
RPC_METHOD_ORIGINAL = "rpc.method_original"
RPC_RESPONSE_STATUS_CODE = "rpc.response.status_code"
RPC_SERVER_CALL_DURATION = "rpc.server.call.duration"
RPC_CLIENT_CALL_DURATION = "rpc.client.call.duration"
# Messages (deprecated without a successor; off by default)
RPC_MESSAGE_EVENT = "rpc.message"
RPC_MESSAGE_TYPE = "rpc.message.type"
RPC_MESSAGE_ID = "rpc.message.id"

# Messaging (development: no stable name exists), /messaging/messaging-spans/ and /messaging/messaging-metrics/
MESSAGING_SYSTEM = "messaging.system"
MESSAGING_DESTINATION_NAME = "messaging.destination.name"
MESSAGING_DESTINATION_TEMPLATE = "messaging.destination.template"
MESSAGING_DESTINATION_TEMPORARY = "messaging.destination.temporary"
MESSAGING_OPERATION_NAME = "messaging.operation.name"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_MESSAGE_ID = "messaging.message.id"
MESSAGING_MESSAGE_CONVERSATION_ID = "messaging.message.conversation_id"
MESSAGING_MESSAGE_BODY_SIZE = "messaging.message.body.size"
MESSAGING_BATCH_MESSAGE_COUNT = "messaging.batch.message_count"
# No convention exists across brokers: the names follow messaging.servicebus.message.delivery_count and AMQP's flag.
MESSAGING_MESSAGE_REDELIVERED = "messaging.message.redelivered"
MESSAGING_MESSAGE_DELIVERY_COUNT = "messaging.message.delivery_count"
MESSAGING_CONSUMER_GROUP_NAME = "messaging.consumer.group.name"
MESSAGING_DESTINATION_PARTITION_ID = "messaging.destination.partition.id"
MESSAGING_KAFKA_OFFSET = "messaging.kafka.offset"
MESSAGING_KAFKA_MESSAGE_KEY = "messaging.kafka.message.key"
MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY = "messaging.rabbitmq.destination.routing_key"
MESSAGING_RABBITMQ_MESSAGE_DELIVERY_TAG = "messaging.rabbitmq.message.delivery_tag"
# No convention exists: how far a consumer is behind, in messages and in time.
MESSAGING_CONSUMER_LAG = "clew.messaging.consumer.lag"
MESSAGING_BACKLOG = "clew.messaging.backlog"
MESSAGING_MESSAGE_AGE = "clew.messaging.message.age"
MESSAGING_CLIENT_OPERATION_DURATION = "messaging.client.operation.duration"
MESSAGING_CLIENT_SENT_MESSAGES = "messaging.client.sent.messages"
MESSAGING_CLIENT_CONSUMED_MESSAGES = "messaging.client.consumed.messages"
MESSAGING_PROCESS_DURATION = "messaging.process.duration"

# Databases, /db/database-spans/ and /db/database-metrics/; the connection metrics are in development, none is stable.
DB_SYSTEM_NAME = "db.system.name"
DB_NAMESPACE = "db.namespace"
DB_OPERATION_NAME = "db.operation.name"
DB_OPERATION_BATCH_SIZE = "db.operation.batch.size"
DB_COLLECTION_NAME = "db.collection.name"
DB_QUERY_TEXT = "db.query.text"
DB_QUERY_SUMMARY = "db.query.summary"
DB_RESPONSE_STATUS_CODE = "db.response.status_code"
DB_CLIENT_OPERATION_DURATION = "db.client.operation.duration"
DB_CLIENT_CONNECTION_POOL_NAME = "db.client.connection.pool.name"
DB_CLIENT_CONNECTION_STATE = "db.client.connection.state"
DB_CLIENT_CONNECTION_COUNT = "db.client.connection.count"
DB_CLIENT_CONNECTION_IDLE_MAX = "db.client.connection.idle.max"
DB_CLIENT_CONNECTION_IDLE_MIN = "db.client.connection.idle.min"
DB_CLIENT_CONNECTION_MAX = "db.client.connection.max"
DB_CLIENT_CONNECTION_PENDING_REQUESTS = "db.client.connection.pending_requests"
DB_CLIENT_CONNECTION_TIMEOUTS = "db.client.connection.timeouts"
DB_CLIENT_CONNECTION_CREATE_TIME = "db.client.connection.create_time"
DB_CLIENT_CONNECTION_WAIT_TIME = "db.client.connection.wait_time"
DB_CLIENT_CONNECTION_USE_TIME = "db.client.connection.use_time"

# Exceptions, /exceptions/
EXCEPTION_EVENT = "exception"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
EXCEPTION_ESCAPED = "exception.escaped"

# Events, /general/events/
EVENT_NAME = "event.name"

# Code, /code/
CODE_FILE_PATH = "code.file.path"
CODE_FUNCTION_NAME = "code.function.name"
CODE_LINE_NUMBER = "code.line.number"

# Process (development: no stable names exist), /system/process-metrics/ and /runtime/cpython-metrics/
PROCESS_CPU_TIME = "process.cpu.time"
PROCESS_MEMORY_USAGE = "process.memory.usage"
PROCESS_THREAD_COUNT = "process.thread.count"
PROCESS_UNIX_FILE_DESCRIPTOR_COUNT = "process.unix.file_descriptor.count"
CPU_MODE = "cpu.mode"
CPYTHON_GC_COLLECTIONS = "cpython.gc.collections"
CPYTHON_GC_COLLECTED_OBJECTS = "cpython.gc.collected_objects"
CPYTHON_GC_UNCOLLECTABLE_OBJECTS = "cpython.gc.uncollectable_objects"
CPYTHON_GC_GENERATION = "cpython.gc.generation"
# These two have no convention; the first follows jvm.gc.duration and v8js.gc.duration.
CPYTHON_GC_DURATION = "cpython.gc.duration"
CPYTHON_GC_TRACKED_OBJECTS = "cpython.gc.tracked_objects"

# Containers (development), /system/container-metrics/; no convention has limit and utilization of memory or CPU.
CONTAINER_MEMORY_WORKING_SET = "container.memory.working_set"
CONTAINER_MEMORY_LIMIT = "container.memory.limit"
CONTAINER_MEMORY_UTILIZATION = "container.memory.utilization"
CONTAINER_CPU_LIMIT = "container.cpu.limit"

# The kit about itself (development: no stable names exist), /otel/sdk-metrics/
OTEL_SDK_PROCESSOR_SPAN_PROCESSED = "otel.sdk.processor.span.processed"
OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE = "otel.sdk.processor.span.queue.size"
OTEL_SDK_EXPORTER_SPAN_EXPORTED = "otel.sdk.exporter.span.exported"
OTEL_SDK_PROCESSOR_LOG_PROCESSED = "otel.sdk.processor.log.processed"
OTEL_SDK_PROCESSOR_LOG_QUEUE_SIZE = "otel.sdk.processor.log.queue.size"
OTEL_SDK_EXPORTER_LOG_EXPORTED = "otel.sdk.exporter.log.exported"
OTEL_SDK_EXPORTER_METRIC_DATA_POINT_EXPORTED = "otel.sdk.exporter.metric_data_point.exported"
OTEL_SDK_EXPORTER_METRIC_DATA_POINT_INFLIGHT = "otel.sdk.exporter.metric_data_point.inflight"
CLEW_METRIC_OVERFLOWED = "clew.metric.overflowed"
OTEL_COMPONENT_NAME = "otel.component.name"
OTEL_COMPONENT_TYPE = "otel.component.type"

# asyncio: no convention exists; the shape follows nodejs.eventloop.delay of /runtime/nodejs-metrics/.
ASYNCIO_TASK_COUNT = "asyncio.task.count"
ASYNCIO_EVENTLOOP_DELAY = "asyncio.eventloop.delay"
ASYNCIO_EVENTLOOP_DELAY_MAX = "asyncio.eventloop.delay.max"
ASYNCIO_EVENTLOOP_DELAY_MEAN = "asyncio.eventloop.delay.mean"

# Thread pools and their like in anyio: no convention exists.
THREAD_POOL_NAME = "thread_pool.name"
THREAD_POOL_QUEUE_LENGTH = "thread_pool.queue.length"

# Reliability patterns: no conventions exist.
SAGA_NAME = "clew.saga.name"
SAGA_ID = "clew.saga.id"
SAGA_STATE = "clew.saga.state"
SAGA_STEP = "clew.saga.step"
SAGA_OUTCOME = "clew.saga.outcome"
SAGA_STEP_EVENT = "clew.saga.step"
SAGA_STARTED = "clew.saga.started"
SAGA_ENDED = "clew.saga.ended"
SAGA_ACTIVE = "clew.saga.active"
SAGA_OLDEST_AGE = "clew.saga.oldest.age"
CONSISTENCY_LAG = "clew.consistency.lag"
OUTBOX_DEPTH = "clew.outbox.depth"
OUTBOX_OLDEST_AGE = "clew.outbox.oldest.age"
OUTBOX_STORED = "clew.outbox.stored"
OUTBOX_PUBLISHED = "clew.outbox.published"
OUTBOX_FAILURES = "clew.outbox.failures"
OUTBOX_DELAY = "clew.outbox.delay"
INBOX_MESSAGES = "clew.inbox.messages"
INBOX_OUTCOME = "clew.inbox.outcome"
IDEMPOTENCY_REQUESTS = "clew.idempotency.requests"
IDEMPOTENCY_OPERATION = "clew.idempotency.operation"
IDEMPOTENCY_OUTCOME = "clew.idempotency.outcome"
DEAD_LETTERS = "clew.dead_letter.messages"
DEAD_LETTER = "clew.dead_letter"
BREAKER_NAME = "clew.breaker.name"
BREAKER_STATE = "clew.breaker.state"
BREAKER_PREVIOUS_STATE = "clew.breaker.previous_state"
BREAKER_TRANSITIONS = "clew.breaker.transitions"
BREAKER_TRANSITION_EVENT = "clew.breaker.transition"
BREAKER_REJECTED = "clew.breaker.rejected"
BREAKER_REJECTED_EVENT = "clew.breaker.rejected"
BREAKER_FALLBACKS = "clew.breaker.fallbacks"
BREAKER_FALLBACK = "clew.breaker.fallback"
RETRY_NAME = "clew.retry.name"
RETRY_CALLS = "clew.retry.calls"
RETRY_RESENDS = "clew.retry.resends"
RETRY_BUDGET = "clew.retry.budget"
RETRY_OUTCOME = "clew.retry.outcome"
RETRY_EVENT = "clew.retry.wait"
RETRY_RESEND = "clew.retry.resend"
RETRY_DELAY = "clew.retry.delay"
RPC_RESEND_COUNT = "clew.rpc.resend_count"  # what http.request.resend_count is to HTTP
TARGET_SERVICE = "clew.target.service"
TARGET_ADDRESS = "clew.target.address"
TARGET_KNOWN = "clew.target.known"
TARGET_PICKED = "clew.target.picked"
TARGET_VERSION = "clew.target.version"  # the service.version of who is called
TARGET_WEIGHT = "clew.target.weight"
TARGET_CALL_DURATION = "clew.target.call.duration"
CANARY_VERDICT = "clew.canary.verdict"
CANARY_REASON = "clew.canary.reason"
CANARY_VERDICTS = "clew.canary.verdicts"

# Business metrics
BUSINESS_UNDECLARED = "clew.business.undeclared"
BUSINESS_METRIC = "clew.business.metric"

# Correlation: no convention exists; the de facto HTTP header is X-Request-ID.
REQUEST_ID = "request_id"
REQUEST_ID_HEADER = "x-request-id"

DURATION_BOUNDARIES_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Bucket boundaries that the HTTP, RPC and messaging duration histograms advise."""

AGE_BOUNDARIES_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Bucket boundaries of what may wait for an outage to end: the age of a message, the time until all is consistent."""

KNOWN_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"))
"""Request methods recorded as they are; any other becomes `_OTHER`, so that a stranger cannot add series."""
OTHER_METHOD = "_OTHER"
