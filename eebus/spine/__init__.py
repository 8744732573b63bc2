"""SPINE: data model, datagrams, restricted function exchange and node management; pure."""
