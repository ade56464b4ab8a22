// Package torture runs a cluster of real processes, troubles it, and holds what its clients saw against what kvnode promises (docs/GUARANTEES.md).
//
// Nodes are child processes; all routes between them lead through proxies of this process, which cuts them. Faults are drawn from a seed, in
// episodes; their timing is real. Clients write unique values and remember what they had seen when they wrote. After each episode everything heals,
// the clients pause, and a checkpoint follows: all nodes must hold equal siblings and show equal views of every key, no write may be missing that had
// to survive, and nothing may be there that is replaced, deleted, refused, or written by nobody.
//
// What had to survive: entries are in memory, so a write that was acknowledged by N nodes outlives fewer than N losses of a node's memory; a
// checkpoint, after which all nodes hold the same, begins the count anew.
package torture
