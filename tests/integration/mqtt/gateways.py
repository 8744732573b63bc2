"""Gateways with a broker, in this process or as one of their own."""

from pathlib import Path

from hems.northbound.mqtt.topics import Topics

TOPICS = Topics("hems", "home")


def write_configuration(
    folder: Path,
    port: int,
    *,
    mqtt: str = "",
    devices: str = "",
    meter: str = "",
    failsafe_w: float = 4200.0,
    name: str = "battery",
) -> Path:
    """A configuration on loopback with one simulated battery; `devices` adds lines, `mqtt` options."""
    path = folder / "hems.yaml"
    path.write_text(
        f"""
site: {{name: Test}}
eebus:
  host: 127.0.0.1
  port: 0
  announce: false
  failsafe: {{consumption_w: {failsafe_w}}}
mqtt: {{host: 127.0.0.1, port: {port}, gateway_id: home, measurement_interval_s: 1, commands: true{mqtt}}}
grid_connection_point:
  contractual_production_w: 10000
{meter}
devices:
  - name: {name}
    adapter: {{type: simulated, kind: battery, capacity_wh: 10000, max_power_w: 5000, charge_percent: 50,
      charge_power_w: 3000}}
{devices}
"""
    )
    return path
