// Package clock holds the values that say what happened before what: actors, dots, causal contexts, node-wide clocks and hybrid time.
// They are plain values, built on the standard library alone, and know nothing of tables, networks or nodes.
//
// The clocks are node-wide dotted clocks after Gonçalves, Almeida, Baquero and Fonte, "DottedDB: Anti-Entropy without Merkle Trees,
// Deletes without Tombstones" (SRDS 2017) and "Concise Server-Wide Causality Management for Eventually Consistent Data Stores" (DAIS 2015).
//
// Nothing here locks: a value that one goroutine changes must not be read by another meanwhile.
package clock
