# shellcheck shell=bash
# Nodes of the cluster, and what is asked of them. Uses: inside, address, others, await, fail, WORK, KVNODE. Sets: PIDS.

declare -A PIDS=()

# start NODE: start a node in its namespace, with empty memory.
start() {
	local node=$1 peer
	local -a join=()
	for peer in $(others "$node"); do
		join+=(--join "$(address "$peer"):6222")
	done
	# Not through inside: the process behind $! must be the node itself.
	ip netns exec "$PREFIX-$node" "$KVNODE" start --name "$node" --cluster split \
		--http "$(address "$node"):7070" --route "$(address "$node"):6222" "${join[@]}" \
		>>"$WORK/$node.log" 2>&1 </dev/null &
	PIDS[$node]=$!
	disown # A killed node is no news for the shell.
}

# stop SIGNAL NODE...: end nodes and wait for them, ten seconds each at most.
stop() {
	local signal=$1 node
	shift
	for node; do
		[[ -n ${PIDS[$node]:-} ]] || continue
		kill -s "$signal" "${PIDS[$node]}" 2>/dev/null || true
		await_end "${PIDS[$node]}" || fail "$node does not stop on SIG$signal"
		unset "PIDS[$node]"
	done
}

await_end() {
	local polls
	for ((polls = 0; polls < 200; polls++)); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.05
	done
	return 1
}

# fresh_cluster NAME: three new nodes that know each other and are ready.
fresh_cluster() {
	local node
	printf '\n== %s\n' "$1"
	stop TERM a b c
	heal_network
	for node in a b c; do start "$node"; done
	for node in a b c; do await 20000 "$node is ready and sees three" sees "$node" 3; done
}

# kv NODE ARGUMENTS...: the command line, asked of this node.
kv() {
	local node=$1
	shift
	inside "$node" "$KVNODE" --addr "http://$(address "$node"):7070" "$@"
}

# status NODE FILTER: one fact of the node's status, by jq.
status() {
	kv "$1" cluster status --output json 2>/dev/null | jq -e -r "$2" 2>/dev/null
}

# sees NODE COUNT: the node is ready and counts so many live members, itself included.
sees() {
	[[ $(status "$1" '"\(.ready) \([.members[] | select(.connected or .self)] | length)"') == "true $2" ]]
}

# split_noticed: each side has given up the other.
split_noticed() {
	sees a 1 && sees b 2 && sees c 2
}

all_see_three() {
	sees a 3 && sees b 3 && sees c 3
}

# restarts: how often nodes have restarted, all nodes together; nothing while one does not answer.
restarts() {
	local node count sum=0
	for node in a b c; do
		count=$(status "$node" .restarts) || return 1
		sum=$((sum + count))
	done
	echo "$sum"
}

# conflicts NODE TABLE KEY: the open conflicts of a key in the journal, a JSON list.
conflicts() {
	kv "$1" conflict ls --output json |
		jq -c --arg table "$2" --arg key "$3" '[.[] | select(.table == $table and .key == $key and .open)]'
}
