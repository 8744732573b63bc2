"""The SPINE data model: one record per data type, elements in schema order (the order is the wire order).

Declared are the functions that the use cases and the recorded devices need. Enumerations are open: they stay
text and an unknown value matches nothing. Durations and times keep their text as well;
:mod:`eebus.spine.values` reads them.
"""
