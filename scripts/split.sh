#!/usr/bin/env bash
# Real processes, real packets lost: three nodes in three network namespaces, {a} cut from {b,c} by iptables.
#
#   split    both sides write; after healing all hold the same, with the handler's values
#   crash    the same, and b is killed during the split and returns with empty memory
#   poison   a handler that traps costs one restart of one node, and one key
#   loop     a handler that never ends is stopped, and nobody else waits for it
#
# Usage: scripts/split.sh [SCENARIO...]     all of them by default; root, Linux
# KEEP=1 leaves the nodes' logs behind.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CONVERGE_MS=${CONVERGE_MS:-5000}  # from healing to equal nodes
readonly TRAP_MS=1000      # a handler without end is stopped
readonly WRITE_MS=250      # a write elsewhere, meanwhile

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

ok() { printf 'ok    %-58s %6s\n' "$1" "${2:-}"; }

fail() {
	printf 'FAIL  %s\n' "$1" >&2
	exit 1
}

# await LIMIT_MS WHAT COMMAND...: ask until the command succeeds, print how long it took, fail after the limit.
await() {
	local limit=$1 what=$2 began
	shift 2
	began=$(now_ms)
	until "$@"; do
		(($(now_ms) - began < limit)) || fail "$what: not within $limit ms"
		sleep 0.05
	done
	ok "$what" "$(($(now_ms) - began)) ms"
}

# expect WHAT HAVE WANT
expect() {
	[[ $2 == "$3" ]] || fail "$1: have '$2', want '$3'"
	ok "$1"
}

# shellcheck source=split/net.sh
. scripts/split/net.sh
# shellcheck source=split/nodes.sh
. scripts/split/nodes.sh
# shellcheck source=split/carts.sh
. scripts/split/carts.sh

check_tools() {
	local tool
	[[ $(uname -s) == Linux ]] || fail "network namespaces need Linux"
	[[ $(id -u) == 0 ]] || fail "run me as root: network namespaces and iptables need it"
	for tool in go ip iptables jq curl awk cmp mktemp; do
		command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install iproute2 iptables jq curl gawk"
	done
}

cleanup() {
	local code=$? log
	trap - EXIT INT TERM
	set +e
	if ((code != 0)); then
		for log in "$WORK"/?.log; do
			[[ -s $log ]] && { echo "--- $(basename "$log")"; tail -n 20 "$log"; } >&2
		done
	fi
	kill -KILL "${PIDS[@]}" 2>/dev/null
	jobs -p | xargs -r kill 2>/dev/null
	net_down
	if [[ -n ${KEEP:-} ]]; then echo "logs: $WORK" >&2; else rm -rf "$WORK"; fi
	exit "$code"
}

build() {
	local began
	began=$(now_ms)
	go build -o "$KVNODE" ./cmd/kvnode
	(cd plugins/examples/cart && GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o "$WORK/cart.wasm" .)
	ok "kvnode and the cart handler are built" "$(($(now_ms) - began)) ms"
}

# with_handler TABLE NAME FILE: a table whose conflicts this module judges, active at all three nodes.
with_handler() {
	local table=$1 name=$2 file=$3 node
	kv a table create "$table" --handler "$name" >/dev/null
	kv a plugin install "$name" "$file" >/dev/null
	kv a plugin activate "$table" "$name" >/dev/null
	for node in a b c; do
		await 10000 "$node has the handler $name for $table" handler_is "$node" "$table" "$name"
	done
}

handler_is() {
	local here
	here=$(kv "$1" table info "$2" --output json 2>/dev/null | jq -r '.active.plugin // empty') && [[ $here == "$3" ]]
}

# both_sides TABLE: write the files left and right on their sides, at the same time.
both_sides() {
	local left began
	began=$(now_ms)
	kv a put "$1" --from "$WORK/left" >/dev/null &
	left=$!
	kv b put "$1" --from "$WORK/right" >/dev/null || fail "the side of b refused writes"
	wait "$left" || fail "the side of a refused writes"
	ok "both sides wrote $(wc -l <"$WORK/left") and $(wc -l <"$WORK/right") keys" "$(($(now_ms) - began)) ms"
}

# write_split TABLE: cut, write both files, wait until the sides have given each other up.
write_split() {
	cut_network
	both_sides "$1"
	await 10000 "each side has noticed the split" split_noticed
}

# prepare_carts: 1,000 keys on each side, 500 of them on both.
prepare_carts() {
	carts left 1 1000 >"$WORK/left"
	carts right 501 1500 >"$WORK/right"
	union "$WORK/left" "$WORK/right" >"$WORK/want"
	expect "the expectation has 1,500 carts" "$(wc -l <"$WORK/want")" 1500
}

# orders_of_both_sides: a table created on both sides of the split is one table.
orders_of_both_sides() {
	kv a table create orders >/dev/null
	kv c table create orders >/dev/null
	kv a put orders o1 from-a >/dev/null
	kv c put orders o2 from-c >/dev/null
	ok "both sides created the table orders"
}

orders_met() {
	local node
	for node in a b c; do
		[[ $(kv "$node" match orders '*' --output json 2>/dev/null | jq -r --slurp 'map(.key + "=" + .value) | sort | join(" ")') == \
			"o1=from-a o2=from-c" ]] || return 1
	done
}

scenario_split() {
	fresh_cluster "split: both sides write, then meet"
	with_handler carts cart "$WORK/cart.wasm"
	prepare_carts
	write_split carts
	orders_of_both_sides
	heal_network
	await "$CONVERGE_MS" "all nodes hold the same 1,500 carts" same held carts "$WORK/want"
	await "$CONVERGE_MS" "all nodes hold the orders of both sides" orders_met
	expect "no node restarted" "$(restarts)" 0
}

scenario_crash() {
	fresh_cluster "crash: b is killed during the split"
	with_handler carts cart "$WORK/cart.wasm"
	prepare_carts
	write_split carts
	stop KILL b
	start b
	await 20000 "b is back with empty memory and caught up from c" sees b 2
	expect "b holds what its side wrote" "$(held b carts | wc -l)" 1000
	heal_network
	await "$CONVERGE_MS" "all nodes hold the same 1,500 carts" same held carts "$WORK/want"
}

# prepare_poison: fifty carts on both sides, and the poisoned key.
prepare_poison() {
	{ carts left 1 50; poison left; } >"$WORK/left"
	{ carts right 1 50; poison right; } >"$WORK/right"
	union "$WORK/left" "$WORK/right" >"$WORK/want"
	line_union "$WORK/left" "$WORK/right" | grep -v '"poison"' >"$WORK/want.lines"
}

all_but_poison() {
	local node
	for node in a b c; do
		held_lines "$node" carts 2>/dev/null | grep -v '"poison"' | cmp -s - "$WORK/want.lines" || return 1
	done
}

restarted_once() { [[ $(restarts) == 1 ]]; }

# stays_at_one_restart: no second one within the time in which a second merger would have tried.
stays_at_one_restart() {
	local until=$(($(now_ms) + 8000)) count
	while (($(now_ms) < until)); do
		count=$(restarts) && [[ $count != 1 ]] && fail "$count restarts, want one"
		sleep 0.2
	done
	ok "eight seconds later it is still one"
}

# poison_is_kept: the journals of all nodes have both siblings and the reason.
poison_is_kept() {
	local node
	for node in a b c; do
		[[ $(conflicts "$node" carts poison | jq -r 'map("\(.versions | length) \(.reason | length > 0)") | join(",")') == "2 true" ]] || return 1
	done
}

scenario_poison() {
	fresh_cluster "poison: a handler that traps"
	with_handler carts trap plugins/examples/trap/trap.wasm
	prepare_poison
	write_split carts
	heal_network
	await 20000 "one node restarted" restarted_once
	await 20000 "all are ready and see three" all_see_three
	stays_at_one_restart
	await "$CONVERGE_MS" "every other key is merged" all_but_poison
	await "$CONVERGE_MS" "the journals show poison, both siblings, the reason" poison_is_kept
	ok "reason: $(conflicts a carts poison | jq -r '.[0].reason')"
	kv b plugin install cart "$WORK/cart.wasm" >/dev/null
	kv b plugin activate carts cart >/dev/null
	await "$CONVERGE_MS" "the handler cart resolves poison and all others" same held carts "$WORK/want"
}

# write_on NODE FILE: write to another table until the file FILE.stop exists; a line for each write: seconds and HTTP status.
write_on() {
	local n=0
	while [[ ! -e $2.stop ]]; do
		n=$((n + 1))
		inside "$1" curl -s -o /dev/null -w '%{time_total} %{http_code}\n' --max-time 5 -X PUT --data-binary "$n" \
			"http://$(address "$1"):7070/v1/tables/calm/keys/$1$((n % 100))" >>"$2" || true
	done
}

# read_trapped NODE: one read runs the handler without end, and answers with the siblings.
read_trapped() {
	local began took state
	began=$(now_ms)
	state=$(kv "$1" get loops y --siblings --output json | jq -r '"\(.state) \(.siblings | length)"')
	took=$(($(now_ms) - began))
	expect "a read at $1 shows the siblings in quarantine" "$state" "quarantined 2"
	((took < TRAP_MS)) || fail "the read took $took ms, want less than $TRAP_MS"
	ok "the read at $1 answered" "$took ms"
}

# conflict_on KEY: a conflict of one key, made by a split.
conflict_on() {
	cut_network
	kv a put loops "$1" left >/dev/null
	kv b put loops "$1" right >/dev/null
	await 10000 "each side has noticed the split" split_noticed
	heal_network
}

# quarantined KEY: the journal of every node says that the handler trapped on the key.
quarantined() {
	local node
	for node in a b c; do
		[[ $(conflicts "$node" loops "$1" 2>/dev/null | jq -r '.[0].state') == quarantined ]] || return 1
	done
}

# report_writes: the slowest write of each node that was answered; only the node that restarted may have refused some.
report_writes() {
	local node refused slowest
	for node in a b c; do
		refused=$(awk '$2 !~ /^2/ {n++} END {print n + 0}' "$WORK/$node.writes")
		slowest=$(awk '$2 ~ /^2/ && $1 > m {m = $1} END {printf "%d", m * 1000}' "$WORK/$node.writes")
		((refused == 0)) || [[ $(status "$node" .restarts) == 1 ]] || fail "$node did not restart and refused $refused writes"
		((slowest < WRITE_MS)) || fail "the slowest write at $node took $slowest ms, want less than $WRITE_MS"
		ok "$(wc -l <"$WORK/$node.writes") writes at $node, $refused refused, the slowest took" "$slowest ms"
	done
}

both_siblings_at() { [[ $(kv "$1" cluster status --output json 2>/dev/null | jq -r .conflicts) == 2 ]]; }

scenario_loop() {
	local node
	local -a writers=()
	fresh_cluster "loop: a handler without end"
	with_handler loops loop plugins/examples/loop/loop.wasm
	kv a table create calm >/dev/null
	conflict_on x
	await 10000 "all see three again" all_see_three
	for node in a b c; do
		write_on "$node" "$WORK/$node.writes" &
		writers+=($!)
	done
	await 20000 "the merging node restarted" restarted_once
	await 10000 "all nodes know the quarantine" quarantined x
	touch "$WORK"/{a,b,c}.writes.stop
	wait "${writers[@]}"
	report_writes
	await 10000 "all see three again" all_see_three
	conflict_on y
	await "$CONVERGE_MS" "a has both siblings of a second conflict" both_siblings_at a
	read_trapped a
}

main() {
	local scenario
	(($# > 0)) || set -- split crash poison loop
	for scenario; do
		declare -F "scenario_$scenario" >/dev/null || fail "no scenario $scenario: use split, crash, poison or loop"
	done
	check_tools
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/kvnode-split.XXXXXX")
	KVNODE=$WORK/kvnode
	trap cleanup EXIT
	trap 'exit 130' INT TERM
	net_up
	build
	for scenario; do "scenario_$scenario"; done
	printf '\n%d scenarios passed in %d s\n' $# "$SECONDS"
}

main "$@"
