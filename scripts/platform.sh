#!/usr/bin/env bash
# From nothing to a handler that judges conflicts on two nodes, in each language, and how long that takes: begin it, change it, build it, run its
# own test, its fixtures and the laws, start two nodes, install it, write on both at once, and read what it makes of both.
#
# Usage: scripts/platform.sh [LANGUAGE...]     those whose tools are here by default
# Uses nothing but the kvnode that it builds, the tools of the languages, curl and jq. KEEP=1 leaves projects and logs behind.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly MINUTE_MS=60000 # what Go has
readonly AWAIT_MS=20000  # a node, or a handler on the other node
WORK=$(mktemp -d)
readonly WORK KVNODE=$WORK/kvnode
declare -a PIDS=()

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

seconds() { printf '%d.%02d' $(($1 / 1000)) $(($1 % 1000 / 10)); }

fail() {
	printf 'FAIL  %s\n' "$1" >&2
	exit 1
}

# step NAME COMMAND...: run it, print its time, and what it said only when it fails. Functions that are run by it chain what must not fail
# with &&: the shell does not end them at an error there.
step() {
	local name=$1 began
	shift
	began=$(now_ms)
	"$@" >"$WORK/said" 2>&1 </dev/null || { cat "$WORK/said" >&2; fail "$LANGUAGE: $name"; }
	printf '  %-8s %7s s\n' "$name" "$(seconds $(($(now_ms) - began)))"
}

# await COMMAND...: ask until it succeeds.
await() {
	local began
	began=$(now_ms)
	until "$@"; do
		(($(now_ms) - began < AWAIT_MS)) || return 1
		sleep 0.05
	done
}

# start NODE [FLAG...]: start a node on free ports and wait until it is ready; its addresses are HTTP[NODE] and ROUTE[NODE] then.
declare -A HTTP=() ROUTE=()
start() {
	local node=$1 log=$WORK/$LANGUAGE-$1.log line
	shift
	"$KVNODE" start --name "$node" --cluster "platform-$LANGUAGE" --http 127.0.0.1:0 --route 127.0.0.1:0 "$@" >"$log" 2>&1 </dev/null &
	PIDS+=($!)
	await grep -q '^node .* routes on' "$log" || return
	line=$(grep '^node .* routes on' "$log")
	[[ $line =~ HTTP\ on\ (.*),\ routes\ on\ (.*) ]] || return
	HTTP[$node]=${BASH_REMATCH[1]} ROUTE[$node]=${BASH_REMATCH[2]}
	await curl -fsS "http://${HTTP[$node]}/readyz"
}

start_pair() {
	start a && start b --join "${ROUTE[a]}" && await sees_both
}

sees_both() {
	[[ $(kv a cluster members --output json | jq 'map(select(.connected)) | length') == 2 ]]
}

stop_nodes() {
	((${#PIDS[@]} == 0)) && return
	kill "${PIDS[@]}" 2>/dev/null || true
	wait "${PIDS[@]}" 2>/dev/null || true
	PIDS=()
}

# kv NODE ARGUMENTS...: the command line, asked of this node.
kv() {
	local node=$1
	shift
	"$KVNODE" --addr "http://${HTTP[$node]}" "$@"
}

# edit: what an author might do first. Lines become words between commas; in WAT a key that is deleted on all sides is kept.
edit() {
	local -a files=("$(jq -r .source kvnode.json)" fixtures.json)
	[[ $LANGUAGE == go ]] && files+=(main_test.go)
	mapfile -t -O "${#files[@]}" files < <(compgen -G 'fruit*test.*')
	if [[ $LANGUAGE == wat ]]; then
		sed -i 's/(return (i32.const 2))/(return (i32.const 0))/; s/: DELETE/: KEEP/; s/"verdict": "delete"/"verdict": "keep"/' "${files[@]}"
	else
		sed -i 's/\\n/,/g' "${files[@]}"
	fi
	! diff -r "$WORK/original" .
}

# own_test: the command that the README names.
own_test() {
	local command
	command=$(sed -n "s/^- \`\(.*\)\` runs the handler's own test.\$/\1/p" README.md)
	[[ -n $command || $LANGUAGE == wat ]] && sh -ec "$command"
}

# check_laws: a new handler breaks none, but that in WAT lets the newest win.
check_laws() {
	local want='' broken
	[[ $LANGUAGE == wat ]] && want=commutativity
	broken=$("$KVNODE" plugin check fruit.wasm --output json | jq -r '[.laws[] | select(.state == "broken").name] | join(" ")') || return
	echo "broken: $broken"
	[[ $broken == "$want" ]]
}

install() {
	kv a plugin install fruit fruit.wasm && ! kv a plugin ls | grep unchecked
}

# conflict: two writers who have read the same, one on each node.
conflict() {
	local seen
	kv a put fruit basket apple &&
		seen=$(kv a get fruit basket --output json | jq -r .context) &&
		kv a put fruit basket apple,pear --context "$seen" &&
		kv b put fruit basket apple,plum --context "$seen"
}

# read_both: both nodes show what the handler makes of the two versions.
read_both() {
	await shows a "$1" && await shows b "$1"
}

shows() { [[ $(kv "$1" get fruit basket --output json | jq -r .value) == "$2" ]]; }

# platform LANGUAGE
platform() {
	local began total want=apple,pear,plum
	LANGUAGE=$1
	[[ $LANGUAGE == wat ]] && want=apple,plum
	printf '%s\n' "$LANGUAGE"
	began=$(now_ms)
	step new "$KVNODE" plugin new fruit "$WORK/$LANGUAGE" --lang "$LANGUAGE"
	cp -r "$WORK/$LANGUAGE" "$WORK/original"
	cd "$WORK/$LANGUAGE"
	step edit edit
	step build "$KVNODE" plugin build
	step own own_test
	step test "$KVNODE" plugin test fruit.wasm
	step check check_laws
	step start start_pair
	step table kv a table create fruit
	step install install
	step conflict conflict
	step read read_both "$want"
	total=$(($(now_ms) - began))
	printf '  %-8s %7s s   %s\n' total "$(seconds $total)" "$want"
	cd - >/dev/null
	stop_nodes
	rm -r "$WORK/original"
	[[ $LANGUAGE != go ]] || ((total < MINUTE_MS)) || fail "go took more than a minute"
}

# has_tools LANGUAGE: whether a new handler can be built here.
has_tools() {
	"$KVNODE" plugin new fruit "$WORK/tools-$1" --lang "$1" >"$WORK/said" 2>&1
	"$KVNODE" plugin build "$WORK/tools-$1" >"$WORK/said" 2>&1 || ! grep -q 'a tool is missing' "$WORK/said"
}

finish() {
	local code=$?
	stop_nodes
	if [[ -n ${KEEP:-} ]]; then echo "left in $WORK"; else rm -rf "$WORK"; fi
	exit "$code"
}

for tool in go curl jq; do
	command -v "$tool" >/dev/null || fail "$tool is missing"
done
trap finish EXIT
go build -o "$KVNODE" ./cmd/kvnode
if (($# == 0)); then
	for language in go rust c cpp assemblyscript zig javascript wat; do
		if has_tools "$language"; then set -- "$@" "$language"; else echo "$language: its tools are not here"; fi
	done
fi
for language; do platform "$language"; done
