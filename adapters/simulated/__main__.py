"""`python -m adapters.simulated`: the simulated house as a process of its own.

Commands come as JSON lines on standard input (see :meth:`SimulatedHouse.command`), everything that happens
goes out as JSON lines on standard output, the bound port first. The end of standard input ends the process.
With `--mqtt` some of its devices are at an MQTT broker; commands name them by what the first line calls them.
"""

import argparse
import asyncio
import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from adapters.simulated.mqtt_front import BROKER_KINDS, BrokerKind, MqttFront
from adapters.simulated.mqtt_visit import BrokerAddress
from adapters.simulated.server import CommandError, HouseOptions, SimulatedHouse, WallboxMake

_MQTT_PORT = 1883
_LAST_PORT = 65_535


def main() -> None:
    """Read the arguments and run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m adapters.simulated", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=0, help="0 (default) takes a free one")
    parser.add_argument(
        "--wallbox",
        action="append",
        choices=("heidelberg", "keba-p30", "keba-p40", "alfen"),
        help="make of a wallbox; may be given several times (default: heidelberg)",
    )
    parser.add_argument(
        "--inverter",
        action="append",
        type=int,
        choices=(123, 704),
        help="its SunSpec limit model; several too",
    )
    parser.add_argument(
        "--heat-pump", choices=("luxtronik", "sg-ready"), help="with a heat pump of this make"
    )
    parser.add_argument("--storage", action="store_true", help="the battery can be limited by SunSpec 124")
    parser.add_argument("--meter-lag-s", type=float, default=0.0, help="the meter shows what flowed before")
    parser.add_argument("--sun-w", type=float, default=0.0)
    parser.add_argument("--load-w", type=float, default=500.0)
    parser.add_argument("--no-battery", action="store_true")
    parser.add_argument(
        "--report-s", type=float, default=0.0, help="print powers this often; 0: only on command"
    )
    _add_mqtt_arguments(parser)
    arguments = parser.parse_args()
    if arguments.no_battery and "battery" in (arguments.mqtt_device or ()):
        parser.error("--mqtt-device battery contradicts --no-battery")
    if arguments.storage and "battery" in _kinds_at_broker(arguments):
        parser.error("the battery is limited by --storage or at the broker, not both: name the --mqtt-device")
    try:
        asyncio.run(_run(arguments))
    except KeyboardInterrupt:
        sys.exit(130)


def _add_mqtt_arguments(parser: argparse.ArgumentParser) -> None:
    mqtt = parser.add_argument_group("devices at an MQTT broker")
    mqtt.add_argument(
        "--mqtt", type=_broker, metavar="HOST[:PORT]", help="where the broker is; the devices go there"
    )
    mqtt.add_argument(
        "--mqtt-device",
        action="append",
        choices=BROKER_KINDS,
        help="which ones; several too (default: all). The wallbox is one of openWB, the others speak as the "
        "profiles generic-meter and generic-device",
    )
    mqtt.add_argument("--mqtt-username", metavar="NAME")
    mqtt.add_argument("--mqtt-password-file", type=_password, metavar="FILE", dest="mqtt_password")


def _broker(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    return (host, _port(port)) if colon else (port, _MQTT_PORT)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port: 0 to {_LAST_PORT}")
    return int(text)


def _password(path: str) -> str:
    """The only line of a file, so that no password shows among the processes."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _kinds_at_broker(arguments: argparse.Namespace) -> tuple[BrokerKind, ...]:
    if arguments.mqtt is None:
        return ()
    every = (kind for kind in BROKER_KINDS if kind != "battery" or not arguments.no_battery)
    return tuple(dict.fromkeys(arguments.mqtt_device or every))


async def _run(arguments: argparse.Namespace) -> None:
    house = SimulatedHouse(_options(arguments), on_event=_emit)
    house.house.inverter.sun_w = arguments.sun_w
    house.house.load_w = arguments.load_w
    house.house.battery_installed = not arguments.no_battery
    front = _front(arguments, house)
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lines.put_nowait, None)
    try:
        port = await house.start(arguments.host, arguments.port)
    except OSError as error:
        sys.exit(f"The simulated house {error}: end what listens there, or choose another --port.")
    _read_lines_into(lines, loop)
    units = {name: unit.unit_id for name, unit in house.units.items()}
    listening = {"event": "listening", "host": arguments.host, "port": port, "units": units}
    _emit({**listening, "mqtt": front.units} if front.units else listening)
    front.start()
    reporter = asyncio.create_task(_report(house, arguments.report_s))
    while (line := await lines.get()) is not None:
        _emit(await _answer(house, front, line))
    reporter.cancel()
    await front.stop()
    await house.stop()


def _front(arguments: argparse.Namespace, house: SimulatedHouse) -> MqttFront:
    """The devices at the broker; none without one."""
    host, port = arguments.mqtt or ("", _MQTT_PORT)
    address = BrokerAddress(host, port, arguments.mqtt_username, arguments.mqtt_password)
    return MqttFront(house, _kinds_at_broker(arguments), address, on_event=_emit)


def _options(arguments: argparse.Namespace) -> HouseOptions:
    by_default: tuple[WallboxMake, ...] = () if "wallbox" in _kinds_at_broker(arguments) else ("heidelberg",)
    return HouseOptions(
        wallboxes=tuple(arguments.wallbox or by_default),
        inverters=tuple(arguments.inverter or (123,)),
        heat_pump=arguments.heat_pump,
        storage=arguments.storage,
        meter_lag_s=arguments.meter_lag_s,
        keeps_pauses=True,
    )


def _read_lines_into(lines: "asyncio.Queue[str | None]", loop: asyncio.AbstractEventLoop) -> None:
    """A daemon thread, because standard input may be a file or a terminal, which asyncio cannot wait for."""

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True, name="standard input").start()


async def _answer(house: SimulatedHouse, front: MqttFront, line: str) -> dict[str, Any]:
    try:
        command = json.loads(line)
        if not isinstance(command, dict):
            raise CommandError("a command is a JSON object")
        return front.command(command) if command.get("unit") in front.units else await house.command(command)
    except (json.JSONDecodeError, CommandError, OSError) as error:
        return {"event": "error", "text": str(error)}


async def _report(house: SimulatedHouse, every_s: float) -> None:
    while every_s > 0.0:
        await asyncio.sleep(every_s)
        _emit(house.powers())


def _emit(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
