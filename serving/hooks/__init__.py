"""Subscribers who are told of what happens to cases, by signed webhooks that survive a restart."""
