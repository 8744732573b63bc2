#!/bin/sh
# Makes a password for each user of the broker, once. Later calls change nothing.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
# Others cannot enter the folder; the users inside the containers must be able to read the files.
chmod 0700 secrets
for user in mqtt_gateway mqtt_home_assistant; do
  file="secrets/$user"
  if [ -s "$file" ]; then
    echo "$file is there already"
    continue
  fi
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$file"
  chmod 0644 "$file"
  echo "$file is new"
done
