"""The operators' console: pages over the running service. What is decided, written and audited stays in `serving`."""
