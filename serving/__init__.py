"""The service: HTTP, store, settings and the `dispatch` command around `dispatch_model`."""
