package bus

import "errors"

// Errors when a bus is opened.
var (
	// ErrConfig says that a field of the configuration is wrong; the message names it.
	ErrConfig = errors.New("invalid bus configuration")
	// ErrAddrInUse says that another process listens on the address that the node was to listen on.
	ErrAddrInUse = errors.New("address already in use")
	// ErrListen says that the node cannot listen on the address that it was given, for another reason than [ErrAddrInUse].
	ErrListen = errors.New("cannot listen")
	// ErrUnreachable says that nothing answered at an address.
	ErrUnreachable = errors.New("unreachable")
)

// Errors of joining a cluster.
var (
	// ErrNotJoined says that no route to another node came up in time; the message lists the addresses and what each answered.
	ErrNotJoined = errors.New("no other node answered")
	// ErrClusterName says that a node of another cluster was met, and refused.
	ErrClusterName = errors.New("the cluster names differ")
	// ErrPassword says that another node refused this one's route password.
	ErrPassword = errors.New("the route password was refused")
	// ErrNotNode says that something answered that does not speak as a node does.
	ErrNotNode = errors.New("not a node's route address")
)

// Errors of sending.
var (
	// ErrTooLarge says that a payload exceeds [MaxPayload].
	ErrTooLarge = errors.New("payload too large")
	// ErrLane says that there is no such lane.
	ErrLane = errors.New("no such lane")
	// ErrClosed says that the bus was closed.
	ErrClosed = errors.New("bus is closed")
)
