#!/bin/sh
# Makes the broker's password file from the secrets at every start, so that no hash has to be kept.
set -eu
passwords=${PASSWORDS:-/run/broker/passwords}
secrets=${SECRETS:-/run/secrets}
configuration=${CONFIGURATION:-/mosquitto/config/mosquitto.conf}
umask 077
printf 'hems:%s\nhomeassistant:%s\n' \
  "$(cat "$secrets/mqtt_gateway")" "$(cat "$secrets/mqtt_home_assistant")" >"$passwords"
mosquitto_passwd -U "$passwords"
exec mosquitto -c "$configuration"
