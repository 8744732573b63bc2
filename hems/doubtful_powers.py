"""Powers in a configuration that look like kilowatts where watts are asked for. Pure."""

from collections.abc import Iterator

from hems.config import Configuration, KeyPath, show_path

_LEAST_W = 100.0
"""Nobody limits or rates a device or a house below this, except to nothing."""


def doubtful_powers(configuration: Configuration) -> list[str]:
    """A line for each such value that somebody has written."""
    written = configuration.model_dump(by_alias=True, exclude_unset=True)
    return [
        f"{show_path(path)} is {value_w:g} W, and powers are written in watts here: do you mean "
        f"{value_w * 1000.0:g} W?"
        for path, value_w in _powers(written, ())
        if 0.0 < value_w < _LEAST_W
    ]


def _powers(data: object, path: KeyPath) -> Iterator[tuple[KeyPath, float]]:
    """The numbers below keys that end with `_w`, the parameters of profiles included."""
    parts = (
        data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, tuple | list) else ()
    )
    for part, value in parts:
        if isinstance(part, str) and part.endswith("_w") and isinstance(value, int | float):
            yield (*path, part), value
        else:
            yield from _powers(value, (*path, part))
