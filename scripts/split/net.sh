# shellcheck shell=bash
# Three namespaces on one bridge, which lives in a fourth: the host's own network is not touched.
# Uses: fail, quietly. Sets: PREFIX.

PREFIX=kvnode-$$
readonly PREFIX

# address NODE: the node's IP address.
address() {
	case $1 in
	a) echo 10.77.0.1 ;;
	b) echo 10.77.0.2 ;;
	c) echo 10.77.0.3 ;;
	esac
}

# others NODE: the two other nodes.
others() {
	case $1 in
	a) echo b c ;;
	b) echo a c ;;
	c) echo a b ;;
	esac
}

# inside NODE COMMAND...: run a command in the node's namespace.
inside() {
	local node=$1
	shift
	ip netns exec "$PREFIX-$node" "$@"
}

net_up() {
	local node
	ip netns add "$PREFIX-hub"
	ip -n "$PREFIX-hub" link add hub type bridge
	ip -n "$PREFIX-hub" link set hub up
	for node in a b c; do
		ip netns add "$PREFIX-$node"
		ip -n "$PREFIX-hub" link add "to-$node" type veth peer name eth0 netns "$PREFIX-$node"
		ip -n "$PREFIX-hub" link set "to-$node" master hub up
		ip -n "$PREFIX-$node" addr add "$(address "$node")/24" dev eth0
		ip -n "$PREFIX-$node" link set eth0 up
		ip -n "$PREFIX-$node" link set lo up
	done
	inside a iptables -L >/dev/null 2>&1 ||
		fail "iptables does not work in a network namespace: $(inside a iptables -L 2>&1 | head -1)"
}

net_down() {
	local name
	for name in a b c hub; do
		ip netns del "$PREFIX-$name" 2>/dev/null || true
	done
}

# cut: drop every packet between {a} and {b,c}, silently, on both sides.
cut_network() {
	local node
	for node in b c; do
		drop a "$node"
		drop "$node" a
	done
}

# drop NODE PEER: the node neither sends to the peer nor hears from it.
drop() {
	inside "$1" iptables -A INPUT -s "$(address "$2")" -j DROP
	inside "$1" iptables -A OUTPUT -d "$(address "$2")" -j DROP
}

heal_network() {
	local node
	for node in a b c; do
		inside "$node" iptables -F
	done
}
