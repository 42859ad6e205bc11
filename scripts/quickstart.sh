#!/usr/bin/env bash
# Does what the README's quickstart says, word for word: the first sh block
# between the quickstart marks is the first terminal, the second block the
# second terminal. Fails unless the second ends well. Data go to a temporary
# folder, because this may run on a machine where somebody uses Runsheet.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
HOME=$(scripts/home.sh) && export HOME

port=8420
tmp=$(mktemp -d)
export RUNSHEET_DATA=$tmp/data
block() {
	awk -v want="$1" '
		/<!-- quickstart -->/ { on = 1 } /<!-- \/quickstart -->/ { on = 0 }
		/^```/ { if (inside) inside = 0; else if (on && $0 == "```sh") { n++; inside = 1; next } }
		inside && n == want' README.md
}
up() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

first=$(block 1) second=$(block 2)
[ -n "$first" ] && [ -n "$second" ] || { echo "quickstart: README.md has no two sh blocks between the quickstart marks" >&2; exit 1; }
! up || { echo "quickstart: something listens on 127.0.0.1:$port already" >&2; exit 1; }

set -m # a process group of its own for the first terminal
bash -euc "$first" >"$tmp/server.log" 2>&1 </dev/null &
server=$!
set +m
finish() {
	kill -TERM -- "-$server" 2>/dev/null || :
	wait "$server" 2>/dev/null || :
	rm -rf "$tmp"
}
trap finish EXIT

for ((i = 0; ; i++)); do
	! grep -q '^runsheet listening on ' "$tmp/server.log" || break # what a person waits for, too
	if [ $i -ge 3000 ] || ! kill -0 "$server" 2>/dev/null; then
		echo "quickstart: the server did not come up:" >&2
		tail -n 50 "$tmp/server.log" >&2
		exit 1
	fi
	sleep 0.1
done
start=$SECONDS
if ! bash -euc "$second" </dev/null; then
	echo "quickstart: the second terminal failed; the server said:" >&2
	tail -n 50 "$tmp/server.log" >&2
	exit 1
fi
echo "DONE quickstart, $((SECONDS - start)) s in the second terminal"
