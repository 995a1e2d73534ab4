"""`clew canary`: a new version gets more and more of the calls, as long as it does no worse than the one that is there.

`reading` asks the console or Prometheus for what was counted, `sample` tells what was added since a moment, `judge`
compares two versions with the tests of `significance`, `rollout` drives the weights by what it says.
"""
