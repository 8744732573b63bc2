"""Production limits through models 123 and 704: which registers, in which order, with which values."""

from dataclasses import dataclass
from fractions import Fraction

from adapters.sunspec.definitions import ModelDefinition, model_definition
from adapters.sunspec.model import Group
from adapters.sunspec.values import encode_point, raw_at_most

IMMEDIATE_CONTROLS, DER_CONTROLS = 123, 704
LIMIT_MODELS = (DER_CONTROLS, IMMEDIATE_CONTROLS)
"""Models that can limit production, the better one first."""

_MAX_PERCENT_RAW = 0xFFFE
_ON, _OFF = 1, 0


@dataclass(frozen=True, slots=True)
class PointWrite:
    """A run of registers from the point `first` on, and the points in it that are written one by one where a
    device refuses the run – in the order that is safe then."""

    first: str
    registers: tuple[int, ...]
    singles: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class LimitState:
    """What a limit model shows: the percentage while it is enabled (None: released), and its timer.

    `revert_s` None: the device has no timer.
    """

    percent_raw: int | None
    revert_s: int | None


@dataclass(frozen=True, slots=True)
class LimitNames:
    """The names of the points of one limit model."""

    model_id: int
    enable: str
    percent: str
    revert: str
    run: tuple[str, ...]


NAMES = {
    IMMEDIATE_CONTROLS: LimitNames(
        IMMEDIATE_CONTROLS,
        enable="WMaxLim_Ena",
        percent="WMaxLimPct",
        revert="WMaxLimPct_RvrtTms",
        run=("WMaxLimPct", "WMaxLimPct_WinTms", "WMaxLimPct_RvrtTms", "WMaxLimPct_RmpTms", "WMaxLim_Ena"),
    ),
    DER_CONTROLS: LimitNames(
        DER_CONTROLS,
        enable="WMaxLimPctEna",
        percent="WMaxLimPct",
        revert="WMaxLimPctRvrtTms",
        run=(
            "WMaxLimPctEna",
            "WMaxLimPct",
            "WMaxLimPctRvrt",
            "WMaxLimPctEnaRvrt",
            "WMaxLimPctRvrtTms",
        ),
    ),
}
"""Both limit models. The points of a run are neighbours and are written in one frame: enable, value and
timer become valid together."""

SCALE_POINT = "WMaxLimPct_SF"


def percent_raw_at_most(limit_w: float, reference_w: float, exponent: int) -> int:
    """The percentage of `reference_w` in steps of 10^exponent that is not above `limit_w`."""
    percent = Fraction(max(0.0, limit_w)) * 100 / Fraction(reference_w)
    return min(raw_at_most(min(percent, Fraction(100)), exponent), _MAX_PERCENT_RAW)


def power_of(percent_raw: int, reference_w: float, exponent: int) -> float:
    """The power in watts that a raw percentage allows."""
    return float(Fraction(percent_raw) * Fraction(10) ** exponent * Fraction(reference_w) / 100)


def limit_write(
    model_id: int, percent_raw: int, revert_s: int, after_revert_raw: int | None = None
) -> PointWrite:
    """Enable a limit that lasts `revert_s` seconds without renewal (0: for ever).

    Then the device is free again or, with model 704, holds `after_revert_raw`.
    """
    names = NAMES[model_id]
    values = dict.fromkeys(names.run, 0) | {
        names.enable: _ON,
        names.percent: percent_raw,
        names.revert: revert_s,
    }
    definition = model_definition(model_id)
    if model_id == DER_CONTROLS:
        values["WMaxLimPctRvrt"] = percent_raw if after_revert_raw is None else after_revert_raw
        values["WMaxLimPctEnaRvrt"] = _OFF if after_revert_raw is None else _ON
    registers = {name: _registers(definition, name, values[name]) for name in names.run}
    order = (names.revert, names.percent, names.enable)
    return PointWrite(
        first=names.run[0],
        registers=tuple(register for name in names.run for register in registers[name]),
        singles=tuple((name, registers[name]) for name in order),
    )


def release_write(model_id: int) -> PointWrite:
    """Take the enable flag back. An enabled 100 % could outrank another limiter in the device."""
    enable = NAMES[model_id].enable
    return PointWrite(enable, (_OFF,), ((enable, (_OFF,)),))


def _registers(definition: ModelDefinition, name: str, raw: int) -> tuple[int, ...]:
    point = definition.point(name)
    return encode_point(point.type, point.size, raw)


def limit_state(model_id: int, model: Group) -> LimitState:
    """What the decoded limit model shows."""
    names = NAMES[model_id]
    enabled = model.integer(names.enable) == _ON
    return LimitState(
        percent_raw=model.integer(names.percent) if enabled else None,
        revert_s=model.integer(names.revert),
    )
