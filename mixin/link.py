"""Ways on from a panel or dashboard: to another dashboard, or to Grafana's Explore with a query filled in."""

import json
from urllib.parse import quote

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

UIDS = {
    "overview": "clew-overview",
    "service": "clew-service",
    "runtime": "clew-runtime",
    "database": "clew-database",
    "messaging": "clew-messaging",
    "patterns": "clew-patterns",
    "canary": "clew-canary",
    "slo": "clew-slo",
    "telemetry": "clew-telemetry",
}
"""Dashboards by what a link calls them."""

_UNQUOTED = "${}_.~:-"
"""Grafana fills variables in before the URL is opened, so it must still see them."""


def dashboard(title: str, name: str, **variables: str) -> DashboardLink:
    """Link to a dashboard, with the time range and these variables."""
    filled = "".join(f"&var-{variable}={quote(value, _UNQUOTED)}" for variable, value in variables.items())
    return _link(title, f"/d/{UIDS[name]}?${{__url_time_range}}{filled}")


def logs(title: str, query: str) -> DashboardLink:
    """Link to the log records that a LogQL query finds."""
    return _explore(title, "loki", {"expr": query, "queryType": "range"})


def traces(title: str, query: str) -> DashboardLink:
    """Link to the traces that a TraceQL query finds."""
    return _explore(title, "tempo", {"query": query, "queryType": "traceql", "limit": 20, "tableType": "traces"})


def _explore(title: str, datasource: str, query: dict[str, object]) -> DashboardLink:
    target = {"refId": "A", "datasource": {"type": datasource, "uid": datasource}, **query}
    span = {"from": "${__from}", "to": "${__to}"}
    panes = json.dumps({"clew": {"datasource": datasource, "queries": [target], "range": span}}, separators=(",", ":"))
    return _link(title, f"/explore?schemaVersion=1&orgId=1&panes={quote(panes, _UNQUOTED)}")


def _link(title: str, url: str) -> DashboardLink:
    return DashboardLink(title).type(DashboardLinkType.LINK).url(url)
