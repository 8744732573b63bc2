"""SHIP: frames, handshake, connection, trust and identity, without any input or output."""
