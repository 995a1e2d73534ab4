"""The process: event loop, threads, memory, processor time, garbage collection; each instance by itself."""

from mixin import link, names, searches
from mixin.board import CHOSEN, Board, Row, service_variables
from mixin.panel import Query, Steps, timeseries
from mixin.promql import highest, quantile, rate, select, total

EMPTY = "No process reports this. Is the service running, and does its OTEL_EXPORTER_OTLP_ENDPOINT lead here?"
EACH = (names.SERVICE, names.INSTANCE)
LEGEND = f"{{{{{names.SERVICE}}}}} {{{{{names.INSTANCE}}}}}"
TO_SERVICE = link.dashboard("Service", "service", service="${__field.labels.service_name}")
TO_LOGS = link.logs("Log records", searches.CHOSEN_LOGS)

LOOP = Row(
    "Event loop",
    (
        timeseries(
            "Longest delay",
            "How late the event loop ran a timer at worst in the last 30 to 60 s: something blocked it for so long.",
            Query(highest(select(names.LOOP_DELAY_MAX.name, *CHOSEN), *EACH), LEGEND),
            unit="s",
            empty=EMPTY,
            steps=Steps(0.1, 0.25),
            links=[TO_SERVICE, TO_LOGS],
        ),
        timeseries(
            "Delay, 99th percentile",
            "How late 99 of 100 timers were at most.",
            Query(quantile(0.99, names.LOOP_DELAY, *CHOSEN, by=EACH), LEGEND),
            unit="s",
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
        timeseries(
            "Tasks",
            "Unfinished asyncio tasks. A line that only rises is a leak.",
            Query(total(select(names.TASKS.name, *CHOSEN), *EACH), LEGEND),
            unit="short",
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
    ),
)

PROCESS = Row(
    "Process",
    (
        timeseries(
            "Processor cores used",
            "1 is one core fully used; a Python process with a GIL cannot use more.",
            Query(total(rate(names.CPU_TIME.name, *CHOSEN), *EACH), LEGEND),
            unit="short",
            empty=EMPTY,
            steps=Steps(0.7, 0.9),
            links=[TO_SERVICE],
        ),
        timeseries(
            "Memory",
            "Resident set of each instance. A line that only rises is a leak.",
            Query(total(select(names.MEMORY.name, *CHOSEN), *EACH), LEGEND),
            unit="bytes",
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
        timeseries(
            "Threads",
            "Of the operating system.",
            Query(total(select(names.THREADS.name, *CHOSEN), *EACH), LEGEND),
            unit="short",
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
        timeseries(
            "Open file descriptors",
            "Files and sockets. A line that only rises is a leak.",
            Query(total(select(names.FILE_DESCRIPTORS.name, *CHOSEN), *EACH), LEGEND),
            unit="short",
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
        timeseries(
            "User and system time",
            "Processor time by mode; much system time means many system calls.",
            Query(
                total(rate(names.CPU_TIME.name, *CHOSEN), names.SERVICE, names.CPU_MODE),
                f"{{{{{names.SERVICE}}}}} {{{{{names.CPU_MODE}}}}}",
            ),
            unit="short",
            empty=EMPTY,
            stacked=True,
            links=[TO_SERVICE],
        ),
    ),
)

GARBAGE = Row(
    "Garbage collection",
    (
        timeseries(
            "Collections",
            "Runs a second by generation; generation 2 looks at every object and stops the process meanwhile.",
            Query(
                total(rate(names.GC_COLLECTIONS.name, *CHOSEN), names.SERVICE, names.GC_GENERATION),
                f"{{{{{names.SERVICE}}}}} generation {{{{{names.GC_GENERATION}}}}}",
            ),
            unit="ops",
            width=12,
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
        timeseries(
            "Objects freed",
            "Objects in cycles, a second: work that reference counting could not do.",
            Query(total(rate(names.GC_COLLECTED.name, *CHOSEN), names.SERVICE), f"{{{{{names.SERVICE}}}}}"),
            unit="ops",
            width=12,
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
    ),
)

BOARD = Board(
    "runtime",
    "Clew: runtime",
    "The process behind a service: event loop, threads, memory, processor time, garbage collection.",
    (LOOP, PROCESS, GARBAGE),
    service_variables(names.CPU_TIME.name),
)
