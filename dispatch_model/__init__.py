"""The domain: from a transcript to ranked units. Knows no HTTP, SQL or torch."""
