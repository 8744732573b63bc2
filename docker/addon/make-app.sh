#!/bin/sh
# Puts the app for Home Assistant together: make-app.sh FOLDER
# Copy the folder to /addons on the machine of Home Assistant; it appears in the store under "Local".
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
target=${1:?call: make-app.sh FOLDER}
mkdir -p "$target"
"$python" -m build --wheel --outdir "$target" "$root" >/dev/null
cp -R "$here/translations" "$target/"
cp "$here/config.yaml" "$here/Dockerfile" "$here/run.py" "$here/first.yaml" \
  "$here/README.md" "$here/DOCS.md" "$here/CHANGELOG.md" "$root/requirements/runtime.txt" "$target/"
echo "$target is ready"
