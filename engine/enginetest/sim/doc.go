// Package sim runs whole nodes, thousands of small random clusters of them, in one goroutine under virtual time, and checks what they promise. One
// seed gives one history: the network's delays, losses, repetitions and cuts, crashes that lose all memory, restarts that keep it, pauses, clocks that
// are wrong, and what clients ask for. The nodes are the real ones: every decision that package engine takes, with nothing but its goroutines
// replaced (engine.Driver).
//
// An oracle of ghost histories knows for every write which other writes its author had seen. After every step a node must show of every key exactly
// the writes that no other write it knows of succeeds; when the clients stop and the network heals, all nodes must come to rest, equal.
//
// Run plays one history. The package's tests play hundreds; a history is replayed, with a trace of all that happens, with
//
//	go test ./engine/enginetest/sim -run TestHistories -sim.seed 1234 -v
//
// The files in testdata are scenarios for people to read and write.
package sim
