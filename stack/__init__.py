"""Run the stack's backends without Docker: build them once, start them on free ports.

`python -m stack build` makes Prometheus, promtool, Loki and the Collector from their Go modules. Tempo is on no package
registry: it joins where `TEMPO_BINARY` names one.

Built programs lie in `${XDG_CACHE_HOME:-~/.cache}/clew/bin/NAME-VERSION` (the Collector's with a digest of its list of
components behind it), beside no checkout, so that a fresh clone is warm on a machine that has built before.
`python -m stack where NAME` prints the path, and `stack.binary.find(NAME)` returns it.
"""
