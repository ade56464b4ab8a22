// Package engine keeps tables on many nodes equal: membership, replication, repair, conflicts and restarts.
//
// All decisions are taken in one single-threaded state machine, [Core]: events go in, effects come out, and time, randomness and
// handlers' verdicts are events too, so that a simulation replays a seed exactly. [Engine] is the thin shell of goroutines around it.
// Reads and local writes go to the replicas (package replica) directly, under each partition's own lock.
package engine
