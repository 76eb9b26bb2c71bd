"""Configuration as data: the service file, the training file, and each city's access list, catalogue and triggers."""
