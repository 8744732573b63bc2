"""The only sockets, tasks and timers of the EEBUS stack."""
