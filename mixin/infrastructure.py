"""Metrics of the backends, as the pinned versions expose them about themselves. Their names are theirs, not ours."""

UP = "up"
JOB = "job"
COLLECTOR = "collector"
PAGES = "metrics-pages"
"""The job in prometheus.yml that looks at the services' own pages."""
EXPORTER = "exporter"
DATA_TYPE = "data_type"
RECEIVER = "receiver"

# OpenTelemetry Collector, port 8888
COLLECTOR_ACCEPTED_SPANS = "otelcol_receiver_accepted_spans"
COLLECTOR_ACCEPTED_LOGS = "otelcol_receiver_accepted_log_records"
COLLECTOR_ACCEPTED_POINTS = "otelcol_receiver_accepted_metric_points"
COLLECTOR_REFUSED_SPANS = "otelcol_receiver_refused_spans"
COLLECTOR_REFUSED_LOGS = "otelcol_receiver_refused_log_records"
COLLECTOR_REFUSED_POINTS = "otelcol_receiver_refused_metric_points"
COLLECTOR_SENT_SPANS = "otelcol_exporter_sent_spans"
COLLECTOR_SENT_LOGS = "otelcol_exporter_sent_log_records"
COLLECTOR_SENT_POINTS = "otelcol_exporter_sent_metric_points"
COLLECTOR_FAILED_SPANS = "otelcol_exporter_send_failed_spans"
COLLECTOR_FAILED_LOGS = "otelcol_exporter_send_failed_log_records"
COLLECTOR_FAILED_POINTS = "otelcol_exporter_send_failed_metric_points"
COLLECTOR_QUEUE_SIZE = "otelcol_exporter_queue_size"
COLLECTOR_QUEUE_CAPACITY = "otelcol_exporter_queue_capacity"
COLLECTOR_MEMORY = "otelcol_process_memory_rss"

# Loki
LOKI_LINES = "loki_distributor_lines_received_total"
LOKI_STREAMS = "loki_ingester_memory_streams"

# Tempo
TEMPO_SPANS = "tempo_distributor_spans_received_total"

# Prometheus
HEAD_SERIES = "prometheus_tsdb_head_series"
SAMPLES_APPENDED = "prometheus_tsdb_head_samples_appended_total"
EXEMPLARS = "prometheus_tsdb_exemplar_exemplars_in_storage"
RULE_FAILURES = "prometheus_rule_evaluation_failures_total"
