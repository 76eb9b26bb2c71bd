"""A read-only Open311 GeoReport v2 face over the cases."""
