package sim

import (
	"fmt"

	"github.com/kvnode/kvnode/engine/enginetest/ghost"
)

// storyID names the one history that a key has from the creation of its table to the drop.
type storyID struct {
	table string
	epoch uint64
	key   string
	at    string // of a local table: the memory that it is in
}

// story is all writes of one key.
type story = ghost.Story[storyID]

// holder is a node with the memory that it had.
type holder struct {
	name   string
	memory int
}

// local is the table that is not replicated.
const local = "scratch"

func isLocal(table string) bool { return table == local }

// memoryID names the node with its memory.
func (n *node) memoryID() string { return fmt.Sprint(n.name, " ", n.memory) }

// story returns the story that a key has at this node.
func (n *node) story(table string, epoch uint64, key string) *story {
	id := storyID{table: table, epoch: epoch, key: key}
	if isLocal(table) {
		id.at = n.memoryID()
	}
	return n.w.stories.Story(id)
}
