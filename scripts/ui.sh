#!/usr/bin/env bash
# Everything about the web pages that needs Node: build, test, e2e, verify.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Budgets in bytes, with gzip. First load: what any page needs before its own chunk.
max_first=$((200 * 1000))
max_all=$((600 * 1000))

fail() {
	echo "ui.sh: $1" >&2
	exit 1
}

# Node 20 or later, from Debian where it is missing.
node_ready() {
	if ! command -v npm >/dev/null || [ "$(node -p 'Number(process.versions.node.split(".")[0])')" -lt 20 ]; then
		command -v apt-get >/dev/null || fail "please install Node 20 and npm"
		local root=()
		[ "$(id -u)" = 0 ] || root=(sudo -n)
		"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 update </dev/null
		"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends nodejs npm </dev/null
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

e2e() {
	[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || fail "please install chromium (Debian: chromium fonts-noto-cjk)"
	(cd ui && npx vitest run --config vitest.e2e.config.ts "$@")
	# Without a choice, the base and the board on the other database too.
	[ $# -gt 0 ] || (cd ui && RUNSHEET_E2E_DB=postgres npx vitest run --config vitest.e2e.config.ts smoke queue)
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
build) build && budgets ;;
test) generate && unit ;;
e2e) shift; make -s build && e2e "$@" ;;
screenshots) make -s build && (cd ui && npx vitest run --config vitest.screenshots.config.ts) ;;
verify) verify ;;
*) fail "build, test, e2e, screenshots or verify?" ;;
esac
