#!/bin/sh
# Prints a home folder that Go can keep its caches in: $HOME if it is usable,
# else the account's own, else a private folder. Go refuses to work without one.
set -eu
usable() { [ -n "$1" ] && [ -d "$1" ] && [ -w "$1" ] && [ "${1#/}" != "$1" ]; }
if usable "${HOME:-}"; then echo "$HOME"; exit 0; fi
own=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6) || own=
if usable "$own"; then echo "$own"; exit 0; fi
dir=${TMPDIR:-/tmp}/runsheet-home-$(id -u)
mkdir -m 700 "$dir" 2>/dev/null || [ -O "$dir" ] || { echo "home.sh: $dir belongs to somebody else; set HOME" >&2; exit 1; }
echo "$dir"
