"""Rule sets of an office: checked, explained, compared, kept in revisions and swapped while the service runs."""
