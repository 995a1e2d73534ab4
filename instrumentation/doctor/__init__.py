"""`clew doctor`: send one marked request's signals, follow every link between them, and name the first that is broken.

A request is walked in `walk`: metric, exemplar, trace, logs, back to the trace, its metrics. What each backend knows is
asked in `stack` and `console`; why a hop is broken is found in `causes`; Grafana's provisioned links, which no backend
can tell, are read in `grafana`.
"""
