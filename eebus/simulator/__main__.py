"""``python -m eebus.simulator``: a Steuerbox driven by JSON lines (see ``json_lines.py``).

First line: ``{"event": "ready", "ski": …, "ship_id": …, "port": …}``. Commands, all times in seconds and all
powers in watts; ``ski`` may be left out while there is one partner:

* ``pair`` ``ski`` [``address`` ``port``], ``unpair`` ``ski``, ``disconnect`` ``ski``
* ``wait_ready`` [``ski``] [``timeout_s``]: until a partner can be written
* ``limit`` ``value_w`` [``direction``] [``active``] [``duration_s``], ``deactivate`` [``direction``]
* ``failsafe`` [``consumption_w``] [``production_w``] [``duration_s``]
* ``heartbeat`` ``on``
* ``read_back`` [``refresh``], ``status``, ``quit``
* ``mgcp``: values of the grid connection point; ``mpc``: values of the monitored units, by entity

Events: ``connected``, ``disconnected``, ``system_ready``, ``limit_seen``, ``pairing_request``,
``awaits_acceptance``.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from eebus.clock import SystemClock
from eebus.errors import LocalError
from eebus.ids import Ski, parse_ski
from eebus.io.events import PairingRequested, PeerAwaitsAcceptance, PeerConnected, PeerDisconnected
from eebus.simulator.control_box import LOOPBACK, BoxSettings, ControlBoxSimulator
from eebus.simulator.identity_folder import identity_in
from eebus.simulator.json_lines import Command, Members, obey, run, write_line
from eebus.usecases.controllable_view import ControllableSystemView
from eebus.usecases.energy_guard import SystemChanged, SystemReady, WriteAnswered
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity

T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the box until its input ends."""
    options = _parse(arguments)
    logging.basicConfig(level=options.log.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")

    async def drive() -> None:
        clock = SystemClock()
        identity = identity_in(options.dir, f"Steuerbox {options.serial}", clock.utc_now())
        box = ControlBoxSimulator(identity, _settings(options), clock=clock, on_event=_tell)
        async with box.running() as port:
            for ski, host, partner_port in options.partner:
                await box.pair(ski, host, partner_port)
            write_line("ready", ski=identity.ski, ship_id=box.node.snapshot().ship_id, port=port)
            await obey(_commands(box))

    run(drive)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m eebus.simulator", description="A simulated Steuerbox")
    parser.add_argument("--dir", type=Path, required=True, help="where key and certificate are kept")
    parser.add_argument("--serial", default="1", help="tells several boxes apart")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; '' for all")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument(
        "--partner",
        type=_partner,
        action="append",
        default=[],
        metavar="SKI[@HOST:PORT]",
        help="trust this node, and dial it at its address",
    )
    parser.add_argument("--mdns", action="store_true", help="announce the box and find partners")
    parser.add_argument("--interface", action="append", default=[], help="for mDNS, by name or address")
    parser.add_argument("--heartbeat-s", type=float, default=25.0, help="interval of the heartbeat")
    parser.add_argument("--opening-write", action="store_true", help="state the limit after each connection")
    parser.add_argument("--log", default="warning", help="log level, on standard error")
    return parser.parse_args(arguments)


def _partner(text: str) -> tuple[Ski, str, int]:
    ski, _, place = text.partition("@")
    host, _, port = place.rpartition(":")
    if place and not (host and port.isdecimal()):
        raise argparse.ArgumentTypeError(f"'{place}' is not of the form HOST:PORT")
    try:
        return parse_ski(ski), host.strip("[]"), int(port or 0)
    except LocalError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _settings(options: argparse.Namespace) -> BoxSettings:
    node = replace(
        LOOPBACK,
        host=options.host,
        port=options.port,
        announce=options.mdns,
        discover=options.mdns,
        interfaces=tuple(options.interface),
    )
    return BoxSettings(
        serial=options.serial,
        node=node,
        heartbeat_interval_s=options.heartbeat_s,
        opening_write=options.opening_write,
    )


def _commands(box: ControlBoxSimulator) -> Mapping[str, Command]:
    async def pair(given: Members) -> None:
        await box.pair(_ski(given), _get(given, "address", str, ""), int(_get(given, "port", float, 0)))

    async def unpair(given: Members) -> None:
        await box.unpair(_ski(given))

    async def disconnect(given: Members) -> None:
        box.disconnect(_ski(given))

    async def wait_ready(given: Members) -> object:
        return {"ski": await box.ready(_ski_if_given(given), _get(given, "timeout_s", float, 60.0))}

    async def limit(given: Members) -> object:
        value_w = _number(given, "value_w")
        if value_w is None:
            raise LocalError("value_w is missing")
        return _answer(
            await box.limit(
                value_w,
                direction=_direction(given),
                duration_s=_number(given, "duration_s"),
                active=_get(given, "active", bool, True),
                ski=_ski_if_given(given),
            )
        )

    async def deactivate(given: Members) -> object:
        return _answer(await box.deactivate(direction=_direction(given), ski=_ski_if_given(given)))

    async def failsafe(given: Members) -> object:
        return _answer(
            await box.failsafe(
                consumption_w=_number(given, "consumption_w"),
                production_w=_number(given, "production_w"),
                duration_s=_number(given, "duration_s"),
                ski=_ski_if_given(given),
            )
        )

    async def heartbeat(given: Members) -> None:
        box.heartbeat(_get(given, "on", bool, True))

    async def read_back(given: Members) -> object:
        view = await box.read_back(_ski_if_given(given), refresh=_get(given, "refresh", bool, True))
        return {**_view(view), "heartbeat_age_s": box.heartbeat_age_s(view.ski)}

    async def mgcp(given: Members) -> object:
        values = box.grid_values(_ski_if_given(given) or await box.ready(wait_s=1.0))
        return _by_name(values)

    async def mpc(given: Members) -> object:
        units = box.units(_ski_if_given(given) or await box.ready(wait_s=1.0))
        return {"/".join(map(str, entity)): _by_name(values) for entity, values in units.items()}

    async def status(_given: Members) -> object:
        snapshot = box.node.snapshot()
        return {
            "ski": snapshot.ski,
            "port": snapshot.port,
            "trusted": [entry.ski for entry in snapshot.trusted],
            "connections": [
                {"ski": item.ski, "phase": item.phase.value, "direction": item.direction.value}
                for item in snapshot.connections
            ],
            "pairing_requests": [request.ski for request in snapshot.pairing_requests],
            "discovered": [found.service.ski for found in snapshot.discovered if found.visible],
        }

    return {
        command.__name__: command
        for command in (
            pair,
            unpair,
            disconnect,
            wait_ready,
            limit,
            deactivate,
            failsafe,
            heartbeat,
            read_back,
            mgcp,
            mpc,
            status,
        )
    }


def _tell(event: object) -> None:
    match event:
        case PeerConnected():
            write_line("connected", ski=event.ski, direction=event.direction.value, address=event.address)
        case PeerDisconnected(ski):
            write_line("disconnected", ski=ski)
        case SystemReady(ski):
            write_line("system_ready", ski=ski)
        case SystemChanged(view):
            write_line("limit_seen", ski=view.ski, **_view(view))
        case PairingRequested(ski, address):
            write_line("pairing_request", ski=ski, address=address)
        case PeerAwaitsAcceptance(ski):
            write_line("awaits_acceptance", ski=ski)


def _answer(answered: WriteAnswered) -> Mapping[str, object]:
    return {
        "ski": answered.ski,
        "accepted": answered.accepted,
        "error_number": answered.error_number,
        "description": answered.text,
        "msg_counter": answered.msg_counter,
    }


def _by_name(values: Mapping[Quantity, float]) -> Mapping[str, float]:
    return {quantity.value: value for quantity, value in values.items()}


def _view(view: ControllableSystemView) -> Mapping[str, object]:
    return {
        "limits": {
            direction.value: {"value_w": limit.value_w, "active": limit.active, "end_time": limit.end_time}
            for direction, limit in view.limits.items()
        },
        "failsafe": {
            **{f"{direction.value}_w": value_w for direction, value_w in view.failsafe_w.items()},
            "duration_s": view.failsafe_duration_s,
        },
        "nominal_max": {f"{direction.value}_w": value_w for direction, value_w in view.maxima_w.items()},
    }


def _get(given: Members, name: str, kind: type[T], default: T) -> T:
    value = given.get(name, default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind):
        raise LocalError(f"{name} must be of type {kind.__name__}")
    return value


def _number(given: Members, name: str) -> float | None:
    return None if given.get(name) is None else _get(given, name, float, 0.0)


def _direction(given: Members) -> Direction:
    return Direction(_get(given, "direction", str, Direction.CONSUMPTION.value))


def _ski(given: Members) -> Ski:
    return parse_ski(_get(given, "ski", str, ""))


def _ski_if_given(given: Members) -> Ski | None:
    return _ski(given) if given.get("ski") else None


if __name__ == "__main__":
    main()
