"""Drivers that implement the ports of :mod:`hems.devices` for real and simulated devices."""
