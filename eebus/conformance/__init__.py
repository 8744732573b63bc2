"""The official test cases as data and code, and what runs them against a device under test."""
