"""An EEBUS stack (SHIP, SPINE, use cases) that can be used alone.

The protocol core is pure: it takes an event and the time and returns what to do. Sockets, tasks and timers
live in :mod:`eebus.io` only.
"""
