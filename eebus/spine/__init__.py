"""SPINE: data model, datagrams, restricted function exchange and node management, without any input or output."""
