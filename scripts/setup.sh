#!/usr/bin/env bash
# Installs what the tests need and the machine lacks: server binaries for
# internal/testsvc, strace for the durability test, a C compiler for -race, Chromium
# with a font that has Korean and the Node modules for the browser tests.
# Does nothing when all is there. Starts no system service and touches none:
# the tests run private copies of the servers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

have() {
	case $1 in
	postgresql) command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
	pgbouncer) command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] ;;
	libc6-dev) [ -e /usr/include/stdlib.h ] || [ "$(uname -s)" != Linux ] ;;
	strace) command -v strace >/dev/null || [ "$(uname -s)" != Linux ] ;;
	g++) command -v g++ >/dev/null || command -v c++ >/dev/null ;;
	nlohmann-json3-dev) [ -e /usr/include/nlohmann/json.hpp ] ;;
	libstb-dev) [ -e /usr/include/stb/stb_image.h ] ;;
	chromium) [ -x "${CHROMIUM:-/usr/bin/chromium}" ] ;;
	fonts-noto-cjk) compgen -G '/usr/share/fonts/*/noto*/NotoSansCJK-Regular.*' >/dev/null || [ "$(uname -s)" != Linux ] ;;
	gcc) command -v gcc >/dev/null || command -v cc >/dev/null ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

# The S3 server comes from tools/go.mod, the OpenID provider from a module of its
# own. Without them, their tests are skipped, or fail when CI is set.
for tool in versitygw oidcprovider; do
	scripts/tool.sh "$tool" >/dev/null || echo "setup.sh: cannot build $tool" >&2
done

# The web pages' tools and tests. Without Node they cannot run, and say so.
scripts/ui.sh modules || echo "setup.sh: cannot install the Node modules of ui" >&2

# The LLM server needs the compiler of the packages below.
llm() {
	scripts/tool.sh ollama >/dev/null || echo "setup.sh: cannot build the LLM server" >&2
}

missing=()
for p in postgresql redis-server pgbouncer strace gcc libc6-dev chromium fonts-noto-cjk; do
	have "$p" || missing+=("$p")
done
# What builds the LLM server is not missed where that is built already.
FIND_ONLY=1 scripts/tool.sh ollama >/dev/null || for p in g++ nlohmann-json3-dev libstb-dev; do
	have "$p" || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || { llm; exit 0; }

manually() {
	echo "setup.sh: $1" >&2
	echo "setup.sh: please install: ${missing[*]} (names of Debian packages). Tests that need them are skipped, or fail when CI is set." >&2
	exit 0
}

command -v apt-get >/dev/null || manually "this is not a Debian-like machine"
root=()
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null && sudo -n true 2>/dev/null || manually "neither root nor sudo without a password"
	root=(sudo -n)
fi

# Package scripts start a server after installing it unless policy-rc.d objects.
# An existing policy is somebody's decision and stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
	"${root[@]}" chmod +x $policy
	trap '"${root[@]}" rm -f $policy' EXIT
fi

echo "setup.sh: installing ${missing[*]}"
apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
"${apt[@]}" update </dev/null
"${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null
llm
