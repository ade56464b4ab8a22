package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/kvnode/kvnode/engine"
)

// Errors of a request that never reached the store.
var (
	ErrBadRequest      = errors.New("bad request")
	ErrBadMediaType    = errors.New("bad media type: send JSON with 'Content-Type: application/json'")
	ErrBadMethod       = errors.New("method not allowed here: see /v1/openapi.yaml")
	ErrNoResource      = errors.New("no such resource: see /v1/openapi.yaml")
	ErrRequestTooLarge = errors.New("request too large: send the entries in several batches")
	ErrCrossOrigin     = errors.New("refused: the request comes from a web page of another origin")
)

// Errors on the way between a client and the node that answers.
var (
	// ErrPeerFailed means that this node is not ready and the ready peer that it passed the request to did not answer; a write may be applied.
	ErrPeerFailed = errors.New("the ready peer that was asked instead did not answer; a write may have been applied")
	// ErrUnreachable is the client's: no node answers at the address. A write whose answer was lost may be applied.
	ErrUnreachable = errors.New("no node answers")
	// ErrBadAnswer is the client's: what answers is not a node, or speaks another version.
	ErrBadAnswer = errors.New("the answer is not a node's")
	// ErrInternal is a defect of the node; its log says more.
	ErrInternal = errors.New("internal error: the node's log says more")
)

// Exit codes of the command line.
const (
	// ExitDone: what was asked for is done.
	ExitDone = 0
	// ExitError: it was tried and failed. A file cannot be read or is not what it should be, a test failed, a promise was broken, a node has a defect.
	ExitError = 1
	// ExitUsage: the command line is wrong, or a name, key, pattern or number on it.
	ExitUsage = 2
	// ExitNotFound: a table, key, plugin, handler, conflict or member is not there.
	ExitNotFound = 3
	// ExitConflict: what is there stands against it.
	ExitConflict = 4
	// ExitUnavailable: no node answers, or it cannot do it now. Trying again may help.
	ExitUnavailable = 5
)

// Problem is one row of the error table.
type Problem struct {
	Err error
	// Code is the name of the error in snake case, without "Err".
	Code string
	// Status is the HTTP status.
	Status int
	// Exit is the exit code of the command line.
	Exit int
}

// Problems returns the error table. Where an error matches two rows, the first counts: that a write is applied comes before why nobody confirmed it.
func Problems() []Problem {
	return append(engineProblems(), ownProblems()...)
}

// engineProblems are the rows of what the engine refuses.
func engineProblems() []Problem {
	return []Problem{
		{engine.ErrBadTableName, "bad_table_name", http.StatusBadRequest, ExitUsage},
		{engine.ErrBadOption, "bad_option", http.StatusBadRequest, ExitUsage},
		{engine.ErrBadKey, "bad_key", http.StatusBadRequest, ExitUsage},
		{engine.ErrValueTooLarge, "value_too_large", http.StatusRequestEntityTooLarge, ExitUsage},
		{engine.ErrBadPattern, "bad_pattern", http.StatusBadRequest, ExitUsage},
		{engine.ErrBadContext, "bad_context", http.StatusBadRequest, ExitUsage},
		{engine.ErrModuleTooLarge, "module_too_large", http.StatusRequestEntityTooLarge, ExitError},
		{engine.ErrBadModule, "bad_module", http.StatusUnprocessableEntity, ExitError},
		{engine.ErrBadLimits, "bad_limits", http.StatusBadRequest, ExitUsage},
		{engine.ErrBuiltinName, "builtin_name", http.StatusConflict, ExitUsage},
		{engine.ErrBadPluginName, "bad_plugin_name", http.StatusBadRequest, ExitUsage},
		{engine.ErrBadResolution, "bad_resolution", http.StatusBadRequest, ExitUsage},
		{engine.ErrBadCheck, "bad_check", http.StatusUnprocessableEntity, ExitError},

		{engine.ErrNotFound, "not_found", http.StatusNotFound, ExitNotFound},
		{engine.ErrNoTable, "no_table", http.StatusNotFound, ExitNotFound},
		{engine.ErrTableExists, "table_exists", http.StatusConflict, ExitConflict},
		{engine.ErrNoPlugin, "no_plugin", http.StatusNotFound, ExitNotFound},
		{engine.ErrAmbiguous, "ambiguous", http.StatusConflict, ExitUsage},
		{engine.ErrNoHandler, "no_handler", http.StatusConflict, ExitNotFound},
		{engine.ErrPluginInUse, "plugin_in_use", http.StatusConflict, ExitConflict},
		{engine.ErrNoShadow, "no_shadow", http.StatusNotFound, ExitNotFound},
		{engine.ErrNoEarlier, "no_earlier", http.StatusConflict, ExitNotFound},
		{engine.ErrNoConflict, "no_conflict", http.StatusNotFound, ExitNotFound},
		{engine.ErrNoMember, "no_member", http.StatusNotFound, ExitNotFound},
		{engine.ErrMemberConnected, "member_connected", http.StatusConflict, ExitConflict},

		{engine.ErrConflict, "conflict", http.StatusPreconditionFailed, ExitConflict},
		{engine.ErrNotOpen, "not_open", http.StatusConflict, ExitConflict},
		{engine.ErrTooManySiblings, "too_many_siblings", http.StatusConflict, ExitConflict},

		{engine.ErrNotAcknowledged, "not_acknowledged", http.StatusGatewayTimeout, ExitUnavailable},
		{engine.ErrNotReady, "not_ready", http.StatusServiceUnavailable, ExitUnavailable},
		{engine.ErrClosed, "closed", http.StatusServiceUnavailable, ExitUnavailable},
		{engine.ErrNoQuorum, "no_quorum", http.StatusServiceUnavailable, ExitUnavailable},
		{engine.ErrOverloaded, "overloaded", http.StatusServiceUnavailable, ExitUnavailable},
		{engine.ErrNameTaken, "name_taken", http.StatusConflict, ExitConflict},
	}
}

// ownProblems are the rows of what this package refuses, or meets.
func ownProblems() []Problem {
	return []Problem{
		{ErrBadRequest, "bad_request", http.StatusBadRequest, ExitUsage},
		{ErrBadMediaType, "bad_media_type", http.StatusUnsupportedMediaType, ExitUsage},
		{ErrBadMethod, "bad_method", http.StatusMethodNotAllowed, ExitError},
		{ErrNoResource, "no_resource", http.StatusNotFound, ExitError},
		{ErrRequestTooLarge, "request_too_large", http.StatusRequestEntityTooLarge, ExitUsage},
		{ErrCrossOrigin, "cross_origin", http.StatusForbidden, ExitError},

		{ErrPeerFailed, "peer_failed", http.StatusBadGateway, ExitUnavailable},
		{ErrUnreachable, "unreachable", http.StatusBadGateway, ExitUnavailable},
		{ErrBadAnswer, "bad_answer", http.StatusBadGateway, ExitError},
		{context.DeadlineExceeded, "deadline_exceeded", http.StatusGatewayTimeout, ExitUnavailable},
		{context.Canceled, "canceled", http.StatusServiceUnavailable, ExitError},
		{ErrInternal, "internal", http.StatusInternalServerError, ExitError},
	}
}

// ProblemOf returns the row of the error; ErrInternal's when no row matches.
func ProblemOf(err error) Problem {
	problems := Problems()
	for _, p := range problems {
		if errors.Is(err, p.Err) {
			return p
		}
	}
	return problems[len(problems)-1]
}

// problemByCode returns the row with the code that a node has sent; ErrInternal's when this version does not know it.
func problemByCode(code string) Problem {
	problems := Problems()
	for _, p := range problems {
		if p.Code == code {
			return p
		}
	}
	return problems[len(problems)-1]
}
