#!/usr/bin/env bash
# Builds the wheel, installs it in a clean environment and runs it outside the tree.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$root/.venv/bin/python" -m build --wheel --outdir "$work" "$root" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$root/requirements/runtime.txt"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$work"/*.whl
cd "$work"
venv/bin/hems --version
venv/bin/hems check --config "$root/config/house.yaml"
venv/bin/python - <<'PY'
import adapters, eebus, hems
for package in (adapters, eebus, hems):
    assert "/venv/" in package.__file__, package.__file__
print("the wheel runs outside the tree")
PY
