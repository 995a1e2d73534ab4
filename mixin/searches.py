"""LogQL and TraceQL that several dashboards use."""

from instrumentation import semconv
from mixin import names

LEVEL = "detected_level"
"""Loki's own, found from the severity."""
CHOSEN_LOGS = f'{{{names.SERVICE}=~"$service"}}'
CHOSEN_PROBLEM_LOGS = f'{CHOSEN_LOGS} | {LEVEL}=~"warn|error|critical|fatal"'
PROBLEM_LOGS = f'{{{names.SERVICE}=~".+"}} | {LEVEL}=~"warn|error|critical|fatal"'
CHOSEN_FAILURES = f'{{ resource.{semconv.SERVICE_NAME} =~ "$service" && status = error }}'
CHOSEN_SLOW = f'{{ resource.{semconv.SERVICE_NAME} =~ "$service" && duration > 250ms }}'
OF_VERSION_FAILURES = f'{{ resource.{semconv.SERVICE_VERSION} =~ "$version" && status = error }}'
OF_VERSION_LOGS = f'{{{names.SERVICE}=~".+"}} | {names.VERSION}=~"$version" | {LEVEL}=~"warn|error|critical|fatal"'
FAILURES = "{ status = error }"
