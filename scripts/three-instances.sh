#!/usr/bin/env bash
# Starts three Runsheet servers on one PostgreSQL database, on loopback, to try
# out what docs/how-to/several-instances.md says. Ctrl-C ends all of them.
#
#   scripts/three-instances.sh
#
# DATABASE_URL           an existing, empty database; without it a throwaway
#                        PostgreSQL server is started from the machine's binaries
# FIRST_PORT             port of the first server, 8421 if unset; 0 = free ports
# RUNSHEET_BIN           the program, bin/runsheet (built if absent) if unset
# RUNSHEET_ADMIN_TOKEN   a token with all rights; made up if unset
# Other RUNSHEET_... variables reach the servers, e.g. RUNSHEET_LEASE_TTL=10s.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
HOME=$(scripts/home.sh) && export HOME

bin=${RUNSHEET_BIN:-bin/runsheet}
[ -x "$bin" ] || make build
port=${FIRST_PORT:-8421}
export RUNSHEET_ADMIN_TOKEN=${RUNSHEET_ADMIN_TOKEN:-$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')}

tmp=$(mktemp -d /tmp/runsheet-three.XXXXXX) # short: the path of a socket has a limit
chmod 711 "$tmp"
servers=() postgres='' idle=''
finish() {
	trap - EXIT INT TERM
	[ -z "$idle" ] || kill "$idle" 2>/dev/null || :
	for pid in "${servers[@]}"; do kill -CONT "$pid" 2>/dev/null || :; kill -TERM "$pid" 2>/dev/null || :; done
	for pid in "${servers[@]}"; do wait "$pid" 2>/dev/null || :; done
	if [ -n "$postgres" ]; then
		kill -INT "$postgres" 2>/dev/null || : # PostgreSQL's fast shutdown
		wait "$postgres" 2>/dev/null || :
	fi
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 0' INT TERM

# within SECONDS COMMAND... repeats a command until it succeeds.
within() {
	local n=$(($1 * 10))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ $((n--)) -gt 0 ] || return 1
		sleep 0.1
	done
}

throwaway() {
	local initdb as=()
	initdb=$(command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1) || :
	[ -n "$initdb" ] || { echo "three-instances: no PostgreSQL here: install it (scripts/setup.sh), or set DATABASE_URL" >&2; exit 1; }
	initdb=$(readlink -f "$initdb") # the others are beside it
	mkdir "$tmp/pg"
	if [ "$(id -u)" = 0 ]; then # which PostgreSQL refuses to run as
		chown postgres "$tmp/pg"
		as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
	fi
	"${as[@]}" "$initdb" -D "$tmp/pg/data" -U runsheet -A trust -E UTF8 --locale=C --no-sync --no-instructions >"$tmp/initdb.log" 2>&1 ||
		{ cat "$tmp/initdb.log" >&2; exit 1; }
	# In a session of its own, so that Ctrl-C leaves it to the last.
	setsid "${as[@]}" "$(dirname "$initdb")/postgres" -D "$tmp/pg/data" -c listen_addresses= -c unix_socket_directories="$tmp/pg" >"$tmp/postgres.log" 2>&1 &
	postgres=$!
	DATABASE_URL="postgres://runsheet@/postgres?host=$tmp/pg&sslmode=disable"
	within 60 "$(dirname "$initdb")/psql" -XAtc 'select 1' "$DATABASE_URL" || { cat "$tmp/postgres.log" >&2; exit 1; }
}
[ -n "${DATABASE_URL:-}" ] || throwaway
export RUNSHEET_DATABASE_URL=$DATABASE_URL
export RUNSHEET_BLOB_URL=file://$tmp/shared # one place of artifacts and logs for all
export RUNSHEET_COMMAND_ALLOW=${RUNSHEET_COMMAND_ALLOW:-/bin/*,/usr/bin/*}

urls=()
for n in 1 2 3; do
	listen=127.0.0.1:$port
	[ "$port" = 0 ] || port=$((port + 1))
	# A data folder of its own for each. The session of its own is for Ctrl-C, too.
	setsid "$bin" serve --listen "$listen" --data "$tmp/$n" >"$tmp/$n.out" 2>"$tmp/$n.log" &
	servers+=($!)
	if ! within 60 grep -q '^runsheet listening on ' "$tmp/$n.out"; then
		echo "three-instances: server $n did not come up:" >&2
		tail -n 20 "$tmp/$n.log" >&2
		exit 1
	fi
	urls+=("$(sed -n 's/^runsheet listening on //p' "$tmp/$n.out")")
done

cat <<TEXT
Three instances work on one database. Logs of the servers: $tmp/*.log
  1  ${urls[0]}  pid ${servers[0]}
  2  ${urls[1]}  pid ${servers[1]}
  3  ${urls[2]}  pid ${servers[2]}

In another terminal, in the same folder:
  export RUNSHEET_TOKEN=$RUNSHEET_ADMIN_TOKEN
  RUNSHEET_URL=${urls[0]} $bin job add --wait -- /bin/echo hello    # added at one ...
  RUNSHEET_URL=${urls[1]} $bin run ls                               # ... seen at any
  kill -STOP ${servers[2]}    # freeze one; after its lease the others take its jobs over
  kill -CONT ${servers[2]}
Ctrl-C here ends all three$([ -z "$postgres" ] || echo " and the database") and removes $tmp.
TEXT

# Until Ctrl-C. Servers may come and go meanwhile: that is what one tries here.
sleep infinity &
idle=$!
wait "$idle"
