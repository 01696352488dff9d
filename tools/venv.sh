#!/bin/bash
# Make .venv with the versions that pyproject.toml pins.
set -eu
python3 -m venv .venv
pins=$(.venv/bin/python -c '
import tomllib
with open("pyproject.toml", "rb") as f:
    print(*tomllib.load(f)["dependency-groups"]["dev"])')
.venv/bin/python -m pip install --disable-pip-version-check $pins
