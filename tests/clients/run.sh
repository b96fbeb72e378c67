#!/usr/bin/env bash
# Tries a built service with foreign clients: curl, aria2, pandas, Polars, DuckDB, PyArrow, Authlib, PyJWT.
#
#   tests/clients/run.sh BINARY [PYTEST-ARGUMENT...]
#
# CLIENTS_VENV names the folder of the Python environment; by default target/clients-venv.
set -euo pipefail

if [ $# -lt 1 ]; then
    echo "usage: tests/clients/run.sh BINARY [PYTEST-ARGUMENT...]" >&2
    exit 2
fi
QINGDAN_BINARY=$(realpath -e "$1")
export QINGDAN_BINARY
shift

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
venv=${CLIENTS_VENV:-target/clients-venv}

if ! command -v aria2c >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq aria2 >/dev/null
fi
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
fi
# Also when the environment exists: it costs a second, and a changed list is followed.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt

# Nothing is written beside the sources, and what the tests wrote elsewhere stays only when one of them failed.
exec "$venv/bin/python" -B -m pytest tests/clients -q -p no:cacheprovider -o tmp_path_retention_policy=failed "$@"
