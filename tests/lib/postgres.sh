# A PostgreSQL server for the tests: started on a free port in a temporary folder, ended with the shell that sources this.
# Sets TEST_DATABASE_URL.

postgres_bin() {
    local bin
    bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$bin" ] || [ ! -x "$bin/initdb" ]; then
        install_packages postgresql >&2
        bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -V | tail -n 1)
    fi
    echo "$bin"
}

# PostgreSQL refuses to run as root: then it runs as the user that its package makes.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}

stop_postgres() {
    trap - EXIT
    as_postgres "$PG_BIN/pg_ctl" -D "$PG_DIR/data" -m immediate stop >/dev/null || true
    rm -rf "$PG_DIR"
}

start_postgres() {
    local port
    PG_BIN=$(postgres_bin)
    PG_DIR=$(mktemp -d)
    [ "$(id -u)" -ne 0 ] || chown postgres "$PG_DIR"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    as_postgres "$PG_BIN/initdb" -D "$PG_DIR/data" -U test -A trust -E UTF8 --locale=C.UTF-8 >"$PG_DIR/initdb.log" 2>&1 || { cat "$PG_DIR/initdb.log"; return 1; }
    # No durability: what the tests ask of it is that it is a real server.
    trap stop_postgres EXIT
    as_postgres "$PG_BIN/pg_ctl" -D "$PG_DIR/data" -l "$PG_DIR/server.log" -w -o \
        "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$PG_DIR -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=500" \
        start >/dev/null || { cat "$PG_DIR/server.log"; return 1; }
    export TEST_DATABASE_URL="postgres://test@127.0.0.1:$port/postgres"
}
