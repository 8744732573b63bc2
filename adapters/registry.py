"""Which adapter types exist: type name → settings model and factory. An explicit table, no import magic."""
