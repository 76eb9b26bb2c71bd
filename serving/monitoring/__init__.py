"""What operations see of a running service: metrics, request log, traces and drift."""
