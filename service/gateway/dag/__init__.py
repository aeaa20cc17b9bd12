"""The routes of an orchestrator's stable REST API, for gateways and dashboards that speak it."""
