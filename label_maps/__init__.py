"""Label maps: categories and functions for all cities, one folder of regions and units per city (data only)."""
