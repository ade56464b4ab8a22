// Package model checks package replica against ghost histories: thousands of small random clusters of real replicas on a network that loses,
// repeats and disorders, with nodes that lose their memory, and an oracle that knows for every write which other writes its author had seen.
// After every step each node must show exactly the writes that no other write it has heard of succeeds.
//
// The package is its tests. One history is replayed with
//
//	go test ./engine/enginetest/model -run TestHistories -seed 1234
//
// and -histories 100000 plays more of them than usual.
package model
