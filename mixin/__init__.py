"""Source of the dashboards and alert rules: typed Python; `python -m mixin.generate` writes from it what is committed.

No name of a metric or label is written out here: the kit's come from `instrumentation/semconv.py` through the same
translation to Prometheus as on `/metrics`, those of the backends from `infrastructure.py`. A rename reaches every
panel.
"""
