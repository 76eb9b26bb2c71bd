"""Who may do what: keys of systems, operators of the console, their passwords and sessions."""
