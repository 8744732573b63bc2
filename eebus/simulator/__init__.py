"""Peers to test against: a control box (Steuerbox) and faults."""
