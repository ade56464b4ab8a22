package sim

import "github.com/kvnode/kvnode/engine/enginetest/ghost"

// storyID names the one history that a key has from the creation of its table to the drop.
type storyID struct {
	table string
	epoch uint64
	key   string
}

// story is all writes of one key.
type story = ghost.Story[storyID]

// holder is a node with the memory that it had.
type holder struct {
	name   string
	memory int
}
