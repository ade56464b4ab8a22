// Package fire writes to a cluster without a pause while its nodes restart, and keeps a ledger of every write and read, from which it says afterwards
// what was lost, what came back, and which reader was shown less than its node had acknowledged.
package fire
