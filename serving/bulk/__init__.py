"""Whole histories routed without the service, on one machine or a Ray cluster, and what a volume of calls needs."""
