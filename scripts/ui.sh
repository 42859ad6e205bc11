#!/usr/bin/env bash
# Everything about the web pages that needs Node: modules, build, test, e2e, screenshots, graph, verify.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
HOME=$(scripts/home.sh) && export HOME # where npm keeps what it has fetched, outside the clone

# Budgets in bytes, with gzip. First load: what any page needs before its own chunk.
max_first=$((200 * 1000))
max_all=$((600 * 1000))

fail() {
	echo "ui.sh: $1" >&2
	exit 1
}

has_node() { command -v npm >/dev/null && [ "$(node -p 'Number(process.versions.node.split(".")[0])')" -ge 20 ]; }

# Node 20 or later, from Debian where it is missing.
node_ready() {
	if ! has_node; then
		command -v apt-get >/dev/null || fail "please install Node 20 and npm"
		local root=()
		[ "$(id -u)" = 0 ] || root=(sudo -n)
		"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 update </dev/null
		"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends nodejs npm </dev/null
		has_node || fail "this system's own Node is $(node --version); please install Node 20 or later"
	fi
	# The lock file of what is installed is older than ours: install.
	if [ ! -e ui/node_modules/.package-lock.json ] || [ ui/package-lock.json -nt ui/node_modules/.package-lock.json ]; then
		(cd ui && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.package-lock.json)
	fi
}

generate() {
	(cd ui && npx openapi-typescript ../internal/api/openapi.yaml -o "${1:-src/gen/api.ts}" >/dev/null)
}

build() {
	generate
	(cd ui && npx vite build --logLevel warn)
}

unit() {
	(cd ui && npx tsc --noEmit && npx eslint . --max-warnings 0 && npx vitest run --reporter=dot)
}

# The files that the first page loads: what index.html names, the shell, and what
# they import.
budgets() {
	node ui/budget.mjs $max_first $max_all
}

# One run of the browser tests, of all files or those that are named. Vitest's own summary
# and then a plain line that says the same of its JSON result.
browser() {
	local json code=0
	[ -t 1 ] || export NO_COLOR=1
	json=$(mktemp)
	(cd ui && npx vitest run --config vitest.e2e.config.ts --reporter=default --reporter=json --outputFile.json="$json" "$@") || code=$?
	node ui/count.mjs "$json" || code=1
	rm -f "$json"
	return $code
}

# With names, those on the database of RUNSHEET_E2E_DB (SQLite). Without, all on SQLite, and on
# PostgreSQL those that meet what may differ: docs/ui.md says why each.
on_postgres="queue approvals chaos workflows schedules"
e2e() {
	if [ ! -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
		[ -z "${CI:-}" ] || fail "please install chromium (Debian: chromium fonts-noto-cjk)"
		echo "ui.sh: SKIPPED, no browser test was run: please install chromium (Debian: chromium fonts-noto-cjk)" >&2
		return 0
	fi
	if [ $# -gt 0 ]; then
		browser "$@"
		return
	fi
	local code=0
	echo "browser tests on SQLite"
	RUNSHEET_E2E_DB=sqlite browser || code=1
	echo "browser tests on PostgreSQL: $on_postgres"
	# shellcheck disable=SC2086 # names of files
	RUNSHEET_E2E_DB=postgres browser $on_postgres || code=1
	return $code
}

# ui/dist and gen/api.ts are what this source makes.
verify() {
	local before after
	before=$(find ui/dist ui/src/gen/api.ts -type f -exec git hash-object {} + | sort | sha256sum; find ui/dist -type f | sort)
	build
	after=$(find ui/dist ui/src/gen/api.ts -type f -exec git hash-object {} + | sort | sha256sum; find ui/dist -type f | sort)
	[ "$before" = "$after" ] || fail "ui/dist or ui/src/gen/api.ts is not what the source makes; run make ui"
	unit
	budgets
}

node_ready
case ${1:-} in
modules) ;;
build) build && budgets ;;
test) generate && unit ;;
e2e) shift; make -s build && e2e "$@" ;;
screenshots) make -s build && (cd ui && npx vitest run --config vitest.tools.config.ts screenshots) ;;
graph) make -s build && (cd ui && npx vitest run --config vitest.tools.config.ts e2e/graph --disable-console-intercept) ;;
verify) verify ;;
*) fail "modules, build, test, e2e, screenshots, graph or verify?" ;;
esac
