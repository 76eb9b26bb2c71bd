"""The service: HTTP, store, settings and the `dispatch` command around `dispatch_model`.

Here at the top stands what a case goes through on its way to a stored answer (`app`, `express`, `engine`, `routing`),
what starts and ends a process (`server`, `listening`, `workers`, `settings`), the command (`cli`), and what others
import: `client`, `cases_wire`, `signing`. Each package says in its `__init__` what it is for; a command stands beside
what it serves, and no two packages import each other.
"""
