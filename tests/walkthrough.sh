#!/usr/bin/env bash
# Runs examples/walkthrough.sh twice against a fresh service: with the printed one-time password, and with the one that it was changed to.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$1
dir=$(mktemp -d)
: >"$dir/log"
"$binary" serve --listen 127.0.0.1:0 --data-dir "$dir/data" --limits-login-per-minute 1000 >"$dir/out" 2>"$dir/log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
until grep -q '"message":"ready"' "$dir/log"; do
    kill -0 "$server" || { cat "$dir/log"; exit 1; }
    read -rt 0.1 <> <(:) || true
done
QINGDAN_URL=$(sed -n 's/^  portal  *\(.*\)\/$/\1/p' "$dir/out")
export QINGDAN_URL QINGDAN_OPERATOR_NEW_PASSWORD="a password for this run"
until grep -q 'one-time password' "$dir/out"; do read -rt 0.1 <> <(:) || true; done
one_time=$(sed -n 's/.*one-time password `\([^`]*\)`.*/\1/p' "$dir/out")
QINGDAN_OPERATOR_PASSWORD=$one_time examples/walkthrough.sh >"$dir/first" || { cat "$dir/first"; exit 1; }
QINGDAN_OPERATOR_PASSWORD=$QINGDAN_OPERATOR_NEW_PASSWORD examples/walkthrough.sh >"$dir/second" || { cat "$dir/second"; exit 1; }
for run in first second; do
    ! grep -E '310199[0-9]{11}[0-9X]|合成居民[0-9]' "$dir/$run" || { echo "the $run run printed a direct identifier"; exit 1; }
    grep -q '^Done' "$dir/$run" || { cat "$dir/$run"; exit 1; }
done
! grep -F "$one_time" "$dir/log" || { echo "the log holds the one-time password"; exit 1; }
echo "2 passed, 0 failed"
