package enginetest

import "github.com/kvnode/kvnode/engine/enginetest/handlers"

// Handlers is the resolver of a Cluster's nodes: its modules are the names of Go functions.
type Handlers = handlers.Resolver
