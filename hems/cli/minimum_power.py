"""`hems minimum-power`: the minimum power of the § 14a ruling, from arguments or by questions."""

import sys
from dataclasses import asdict
from typing import NamedTuple

import click

from hems.cli.options import json_option, write_json
from hems.limits.minimum_power import (
    Consumer,
    ConsumerClass,
    ControlMode,
    minimum_power,
    minimum_power_lines,
)

_WORDS = {
    "wallbox": ConsumerClass.CHARGE_POINT,
    "charge-point": ConsumerClass.CHARGE_POINT,
    "heat-pump": ConsumerClass.HEAT_PUMP,
    "heating-rod": ConsumerClass.HEAT_PUMP,
    "cooling": ConsumerClass.COOLING,
    "battery": ConsumerClass.STORAGE,
}
_QUESTIONS = (
    ("wallbox", "Wallboxes that are not public"),
    ("heat-pump", "Heat pumps, heating rods included"),
    ("cooling", "Units for room cooling"),
    ("battery", "Batteries (their charging power)"),
)
_MOST_KW = 1000.0


class _Asked(NamedTuple):
    word: str
    power_kw: float
    direct: bool


class _Device(click.ParamType[_Asked]):
    name = "CLASS=KW"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> _Asked:
        text = str(value)
        word, equals, rest = text.partition("=")
        power, comma, mode = rest.partition(",")
        if not equals or word not in _WORDS or (comma and mode != "direct"):
            self.fail(
                f"'{text}': write CLASS=KW or CLASS=KW,direct; classes: {', '.join(_WORDS)}", param, ctx
            )
        power_kw = _power_kw(power)
        if power_kw is None:
            self.fail(f"'{power}' is no power in kW from 0 to {_MOST_KW:g}", param, ctx)
        return _Asked(word, power_kw, bool(comma))


def _power_kw(text: str) -> float | None:
    try:
        power_kw = float(text)
    except ValueError:
        return None
    return power_kw if 0.0 <= power_kw <= _MOST_KW else None


@click.command()
@click.argument("devices", nargs=-1, type=_Device())
@json_option
def minimum_power_command(devices: tuple[_Asked, ...], as_json: bool) -> None:
    """Calculate the minimum power that the grid operator must leave (§ 14a EnWG, BNetzA BK6-22-300).

    DEVICES are CLASS=KW with the connection power, for example: wallbox=11 heat-pump=8 heating-rod=9
    battery=5. Classes: wallbox, heat-pump, heating-rod, cooling, battery. ",direct" behind the power: the
    grid operator controls this device by a value of its own. Without DEVICES it asks.
    """
    asked = devices or _ask()
    result = minimum_power(_consumers(asked))
    if as_json:
        write_json(asdict(result))
        return
    for label, text in minimum_power_lines(result):
        click.echo(f"{label:<12}{text}".rstrip())


def _ask() -> tuple[_Asked, ...]:
    if not _at_terminal():
        raise click.UsageError("Name the devices, for example: hems minimum-power wallbox=11 heat-pump=8")
    found = []
    click.echo("Connection power of each device in kW, separated by spaces; Enter for none.", err=True)
    for word, question in _QUESTIONS:
        powers: list[float] = click.prompt(
            question, default="", show_default=False, value_proc=_powers_kw, err=True
        )
        found += [_Asked(word, power_kw, direct=False) for power_kw in powers]
    return tuple(found)


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _powers_kw(text: str) -> list[float]:
    found = []
    for part in text.replace(",", ".").split():
        power_kw = _power_kw(part)
        if power_kw is None:
            raise click.UsageError(f"'{part}' is no power in kW from 0 to {_MOST_KW:g}")
        found.append(power_kw)
    return found


def _consumers(asked: tuple[_Asked, ...]) -> list[Consumer]:
    """Named by class and, where there are several, numbered."""
    consumers = []
    for index, each in enumerate(asked):
        earlier = sum(other.word == each.word for other in asked[:index])
        several = sum(other.word == each.word for other in asked) > 1
        name = f"{each.word} {earlier + 1}" if several else each.word
        mode = ControlMode.DIRECT if each.direct else ControlMode.EMS
        consumers.append(Consumer(name, _WORDS[each.word], each.power_kw * 1000.0, mode))
    return consumers
