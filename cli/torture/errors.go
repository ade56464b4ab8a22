package torture

import "errors"

var (
	// ErrFault says that a word names no kind of trouble.
	ErrFault = errors.New("no such fault")
	// ErrOptions says that options do not go together.
	ErrOptions = errors.New("options do not fit")
	// ErrCluster says that the nodes did not start or cannot be run: nothing is known of the promises. The nodes' logs say more.
	ErrCluster = errors.New("the cluster did not start: see the logs of the nodes")
)
