# shellcheck shell=bash
# The data: carts written on both sides, and what they must become. The expectation is computed here, in jq, without any of the
# program's code. Uses: kv. Files are JSON lines {"key","value"}.

# carts SIDE FROM TO: carts k0001 and so on; keys that both sides write differ in the quantity of apples.
carts() {
	jq -nc --arg side "$1" --argjson from "$2" --argjson to "$3" '
		range($from; $to + 1) |
		{key: "k\("000\(.)"[-4:])", value: ({lines: [
			{sku: "apple", qty: (if $side == "left" then . else 1501 - . end)},
			{sku: "from-\($side)", qty: 1}]} | tojson)}'
}

# poison SIDE: one more cart, of the key on which the example handler "trap" traps.
poison() {
	jq -nc --arg side "$1" '{key: "poison", value: ({lines: [{sku: "from-\($side)", qty: 1}]} | tojson)}'
}

# union FILE...: what the cart handler must make of all these carts: every SKU once, with the larger quantity.
union() {
	jq -cS -n '[inputs] | group_by(.key)[] | {key: .[0].key,
		value: {lines: (map(.value | fromjson | .lines) | add | group_by(.sku) | map(max_by(.qty)))}}' "$@"
}

# line_union FILE...: what the example handler "trap" must make of them: the set of the values' lines.
line_union() {
	jq -cS -n '[inputs] | group_by(.key)[] | {key: .[0].key, value: (map(.value | split("\n")[] | select(. != "")) | unique)}' "$@"
}

# held NODE TABLE: what the node shows, in the form of union.
held() {
	kv "$1" match "$2" '*' --output json |
		jq -cS --slurp 'sort_by(.key)[] | {key, value: (.value | fromjson | .lines |= sort_by(.sku))}'
}

# held_lines NODE TABLE: what the node shows, in the form of line_union.
held_lines() {
	kv "$1" match "$2" '*' --output json |
		jq -cS --slurp 'sort_by(.key)[] | {key, value: (.value | split("\n") | map(select(. != "")) | unique)}'
}

# same HOW TABLE WANT: all three nodes show exactly what the file WANT says, seen through held or held_lines.
same() {
	local how=$1 table=$2 want=$3 node
	for node in a b c; do
		"$how" "$node" "$table" >"$WORK/$node.held" 2>"$WORK/$node.err" && cmp -s "$WORK/$node.held" "$want" || return 1
	done
}
