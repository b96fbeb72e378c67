#!/usr/bin/env bash
# Tests of the portal in a real browser: tests/browser/run.sh BINARY
#
# Installs Chromium and a Chinese font with apt-get where they are missing (as root), starts BINARY on a free port with the
# shipped datasets and those of tests/datasets in a folder of its own, and runs the tests. Screenshots land in target/browser-tests/shots.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 BINARY" >&2; exit 2; }
binary=$(realpath -- "$1")
[ -x "$binary" ] || { echo "$0: $binary is not a program" >&2; exit 2; }
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
work=$root/target/browser-tests

command -v node >/dev/null || { echo "$0: node 20 or newer is needed" >&2; exit 2; }
[ "$(node -p 'process.versions.node.split(".")[0] >= 20')" = true ] || { echo "$0: node 20 or newer is needed" >&2; exit 2; }

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v fc-list >/dev/null || missing+=(fontconfig)
[ -n "$(fc-list :lang=zh-cn family 2>/dev/null || true)" ] || missing+=(fonts-noto-cjk)
if [ ${#missing[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install -y --no-install-recommends "${missing[@]}"
fi

mkdir -p "$work"
cp "$root/tests/browser/package.json" "$work/package.json"
(cd "$work" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --no-package-lock --no-audit --no-fund)
rm -rf "$work/shots"
mkdir "$work/shots"

temp=$(mktemp -d)
server=
cleanup() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf -- "$temp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# No setting comes from outside: an empty environment, and a folder without qingdan.toml.
cd "$temp"
password='only for this one test run'
: >"$temp/err.log"
for folder in "$root/datasets" "$root/tests/datasets"; do
  env -i PATH="$PATH" HOME="$temp" "$binary" import "$folder" --data-dir "$temp/data" >"$temp/out.log" 2>"$temp/err.log" || {
    cat "$temp/out.log" "$temp/err.log" >&2
    exit 1
  }
done
env -i PATH="$PATH" HOME="$temp" "$binary" serve --listen 127.0.0.1:0 --data-dir "$temp/data" \
  --operator-password "$password" --shutdown-seconds 1 --limits-login-per-minute 1000 --limits-feedback-per-hour 1000 --limits-feedback-per-hour-total 1000 \
  --limits-anonymous-per-second 1000 --limits-anonymous-burst 10000 --limits-anonymous-queries 8 \
  --smtp-url smtp://127.0.0.1:1 --smtp-from list@example.org \
  >"$temp/out.log" 2>"$temp/err.log" &
server=$!
cd "$root"

address=
for _ in $(seq 300); do
  address=$(sed -n '/"message":"ready"/s/.*"address":"\([^"]*\)".*/\1/p' "$temp/err.log" | head -n 1)
  [ -z "$address" ] || break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.2
done
if [ -z "$address" ]; then
  echo "$0: the service did not get ready:" >&2
  cat "$temp/out.log" "$temp/err.log" >&2
  exit 1
fi

status=0
QINGDAN_URL=http://$address QINGDAN_PASSWORD="$password" QINGDAN_BROWSER_TESTS=$work QINGDAN_CHROMIUM=$(command -v chromium) \
  node --test "$root"/tests/browser/*.test.mjs || status=$?
if [ "$status" -ne 0 ]; then
  cp "$temp/err.log" "$work/server-log.txt"
  echo "the service's log: target/browser-tests/server-log.txt; screenshots: target/browser-tests/shots" >&2
fi
exit "$status"
