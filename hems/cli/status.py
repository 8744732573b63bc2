"""`hems status`: what the running gateway does, and why."""

from pathlib import Path
from typing import Any

import click

from eebus.ids import Ski, group_ski
from hems.cli.client import ask, data_dir_option, find_data_dir
from hems.cli.options import CommandFailed, config_option, json_option, write_json
from hems.cli.words import flow, local_time, local_time_of, power, span

_LABELS = {"consumption": "Consumption", "production": "Feed-in"}
_LATEST_ORDERS = 3
_KINDS = {"grid_operator": "by the grid operator", "self_imposed": "by the gateway itself"}


@click.command()
@config_option
@data_dir_option
@json_option
def status(config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Show limits, states and devices of the running gateway with their reasons, and the latest orders."""
    folder = find_data_dir(config_path, data_dir)
    answer = {**ask(folder, "GET", "/status"), "orders": _latest_orders(folder)}
    if as_json:
        write_json(answer)
        return
    for label, text in lines(answer):
        click.echo(f"{label:<14}{text}".rstrip())


def _latest_orders(folder: Path) -> list[dict[str, Any]]:
    """Newest first; none while a stuck disk keeps them, which the status itself tells."""
    try:
        orders: list[dict[str, Any]] = ask(folder, "GET", f"/orders?count={_LATEST_ORDERS}")["orders"]
    except CommandFailed:
        return []
    return orders


def lines(status_: dict[str, Any]) -> list[tuple[str, str]]:
    """The status as labelled lines for people."""
    found = [
        ("Gateway", f"{status_['site']}, version {status_['version']}, "
                    f"running since {local_time(status_['started_at'])}, port {status_['port']}"),
        ("Steuerbox", _box(status_["control_box"])),
    ]  # fmt: skip
    found += [(_LABELS[limit["direction"]], _limit(limit)) for limit in status_["limits"]]
    found += [(_LABELS[s["direction"]], f"{s['source']}: {s['reason']}") for s in _further(status_)]
    if status_["meter"] is not None:
        found.append(("Grid meter", _aged(status_["meter"])))
    for device in status_["devices"]:
        found.append((device["name"], f"{device['kind']}, {_aged(device)}"))
        found += [
            ("", f"{_LABELS[order['direction']].lower()}: {_order(order)}") for order in device["orders"]
        ]
    labels = ["Latest orders", *[""] * _LATEST_ORDERS]
    found += [(label, _past(event)) for label, event in zip(labels, status_["orders"], strict=False)]
    if status_["pairing_requests"]:
        count = status_["pairing_requests"]
        found.append(("Pairing", f"{count} peer{'s' if count > 1 else ''} asking; see: hems pair list"))
    found += [("Attention", text) for text in status_["warnings"]]
    return found


def _further(status_: dict[str, Any]) -> list[dict[str, Any]]:
    """The sources beside EEBUS that bound something now."""
    return [
        source
        for source in status_["sources"]
        if source["limit_w"] is not None and not source["source"].startswith("eebus/")
    ]


def _box(box: dict[str, Any]) -> str:
    if box["ski"] is None:
        return "none is trusted yet; see: hems pair list"
    connected = "connected" if box["connected"] else "not connected"
    age = box["heartbeat_age_s"]
    heartbeat = "no heartbeat yet" if age is None else f"last heartbeat {span(age)} ago"
    return f"{group_ski(Ski(box['ski']))}, {connected}, {heartbeat}"


def _limit(limit: dict[str, Any]) -> str:
    if limit["limit_w"] is None:
        text = "not limited"
    else:
        text = f"limited to {power(limit['limit_w'])} {_KINDS[limit['kind']]}"
    if limit["remaining_s"] is not None:
        text += f" for another {span(limit['remaining_s'])}"
    text += f" ({limit['state']}: {limit['reason']})"
    return f"{text}; next: {limit['next']}" if limit["next"] else text


def _past(event: dict[str, Any]) -> str:
    """One order, or one phase that nobody ordered: when it began, what it says now, and how far it came."""
    last = next(step for step in reversed(event["steps"]) if step["renewals"] is None)
    what = f"limited by itself: {event['text']}" if event["self_imposed"] else event["text"]
    told = f"{local_time_of(event['steps'][0]['unix_ms'])} {what}{_changed(event['changes'])}"
    if event["closed"]:
        return f"{told}; over: {last['text']}"
    so_far = "" if last["text"] == event["text"] else f"; so far: {last['text']}"
    return f"{told}{so_far}{_renewed(event['steps'])}"


def _changed(changes: dict[str, Any] | None) -> str:
    if changes is None:
        return ""
    if changes["count"] == 1:
        return f", changed to that {local_time_of(changes['last_unix_ms'])}"
    return f", changed {changes['count']} times, to that {local_time_of(changes['last_unix_ms'])}"


def _renewed(steps: list[dict[str, Any]]) -> str:
    renewals = [step["renewals"] for step in steps if step["renewals"] is not None]
    if not renewals:
        return ""
    count = sum(each["count"] for each in renewals)
    last = local_time_of(renewals[-1]["last_unix_ms"])
    return f"; renewed {count} time{'s' if count > 1 else ''}, last {last}"


def _aged(sample: dict[str, Any]) -> str:
    if sample["age_s"] is None:
        return "no reading yet"
    return f"{flow(sample['power_w'])}, {span(sample['age_s'])} ago"


def _order(order: dict[str, Any]) -> str:
    told = "free" if order["setpoint_w"] is None else f"at most {power(order['setpoint_w'])}"
    return f"{told}, {order['state']} ({order['reason']})"
