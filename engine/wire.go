package engine

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// Every frame begins with the protocol's version and its kind; the rest is one deterministic CBOR array (RFC 8949, section 4.2).
const protocolVersion = 1

type frameKind byte

const (
	frameHello frameKind = iota + 1
	frameBye
	frameMutations
	frameAck
	frameProbe
	frameClocks
	framePull
	frameChunk
	frameVerdict
	frameBeat
	frameClosing
	frameClosingReply
	frameAskSeals
	frameSeals
	frameSurvey
	frameSurveyed
	frameInspect
	frameInspected
	frameDisputed
	frameShadow
	frameAskObjects
	frameObjects
	frameEnded
)

// partitionID names one replica of the cluster. The catalogue is the zero partitionID.
type partitionID struct {
	_     struct{} `cbor:",toarray"`
	Table string
	Epoch uint64
	Index int
}

// helloFrame is the heartbeat: who I am and how far I am.
type helloFrame struct {
	_          struct{} `cbor:",toarray"`
	Cluster    string
	Name       string
	Actor      clock.Actor
	Partitions int
	Uptime     uint64 // milliseconds
	Ready      bool
	Leaving    bool
	HTTP       string
	Route      string
	Restarts   int
	Rewriter   int
	Sequence   uint64 // last mutation frame sent
	Tables     []tableDigest
}

// tableDigest tells whether two nodes know the same mutations of a table (Clocks), and hold the same data (Sum). The catalogue has no name.
type tableDigest struct {
	_      struct{} `cbor:",toarray"`
	Table  string
	Epoch  uint64
	Clocks uint64
	Sum    uint64
}

// byeFrame is sent by a node that closes in order.
type byeFrame struct {
	_      struct{}    `cbor:",toarray"`
	Refuse clock.Actor // not zero: this incarnation has the sender's name and must stop
	Closed clock.Actor // not zero: this incarnation was closed while it was away and must go on as another
}

// mutationsFrame carries what several partitions have to tell. Sequence counts the sender's frames, so that a loss is seen.
type mutationsFrame struct {
	_        struct{} `cbor:",toarray"`
	Sequence uint64
	Seals    uint64 // digest of the incarnations that the sender knows to be closed
	Groups   []mutationGroup
}

type mutationGroup struct {
	_     struct{} `cbor:",toarray"`
	ID    partitionID
	Delta []byte
}

// ackFrame confirms mutation frames that are applied; Skipped groups were of unknown tables.
type ackFrame struct {
	_    struct{} `cbor:",toarray"`
	Acks []frameAcked
}

type frameAcked struct {
	_        struct{} `cbor:",toarray"`
	Sequence uint64
	Skipped  []int
}

// probeFrame asks for the clocks of the partitions whose hashes differ from these.
type probeFrame struct {
	_      struct{} `cbor:",toarray"`
	Table  string
	Epoch  uint64
	Hashes []uint64
	Sums   []uint64
}

// clocksFrame answers a probe.
type clocksFrame struct {
	_      struct{} `cbor:",toarray"`
	Table  string
	Epoch  uint64
	Equal  []partitionEqual
	Clocks []partitionClock
}

// partitionEqual says: my clock hashes like yours. SumDiffers is the self-audit's alarm.
type partitionEqual struct {
	_          struct{} `cbor:",toarray"`
	Index      int
	Hash       uint64
	SumDiffers bool
}

type partitionClock struct {
	_     struct{} `cbor:",toarray"`
	Index int
	Clock []byte
}

// pullFrame asks for the next step of a transfer. The first, Step 1, begins it with the asker's clock; each other says that the answer before it
// was taken.
type pullFrame struct {
	_        struct{} `cbor:",toarray"`
	ID       partitionID
	Xfer     uint64
	Step     uint64
	Full     bool
	Clock    []byte
	Question []byte
}

// verdictFrame tells what the merger decided of a conflict, for the other members' journals.
type verdictFrame struct {
	_       struct{} `cbor:",toarray"`
	ID      string
	Table   string
	Key     []byte // any bytes, hence no text
	Merger  string
	State   State
	Verdict string
	Value   []byte
	Reason  string
	Plugin  string
	SHA256  string
	Fuel    uint64
	Took    uint64 // nanoseconds
}

// endedFrame tells how conflicts have ended, for the other members' journals.
type endedFrame struct {
	_   struct{} `cbor:",toarray"`
	End State
	IDs []string
}

// shadowFrame tells how a conflict ends under a table's handler and under its shadow, the record, for the other members' reports.
type shadowFrame struct {
	_      struct{} `cbor:",toarray"`
	Table  string
	Record string
	ID     string
	Key    []byte // any bytes, hence no text
	Equal  bool
	Live   outcomeFrame
	Shadow outcomeFrame
}

type outcomeFrame struct {
	_       struct{} `cbor:",toarray"`
	State   State
	Verdict string
	Value   []byte
	Reason  string
}

// chunkFrame answers a pull.
type chunkFrame struct {
	_      struct{} `cbor:",toarray"`
	ID     partitionID
	Xfer   uint64
	Step   uint64
	Seals  uint64
	Gone   bool // the sender knows nothing of this transfer or table, or cannot go on with it: start again
	Same   bool // nothing is missing
	Answer []byte
}

// surveyFrame asks what the receiver has in spans of a partition, for the self-audit.
type surveyFrame struct {
	_       struct{} `cbor:",toarray"`
	ID      partitionID
	Inquiry uint64
	Step    uint64
	Spans   []surveySpan
}

type surveySpan struct {
	_     struct{} `cbor:",toarray"`
	First uint64
	Bits  int
}

// surveyedFrame answers a survey, span by span in order.
type surveyedFrame struct {
	_       struct{} `cbor:",toarray"`
	ID      partitionID
	Inquiry uint64
	Step    uint64
	Surveys []surveyed
}

// surveyed has the sums of a span's parts, or its keys with their sums. Keys are any bytes, hence no texts.
type surveyed struct {
	_    struct{} `cbor:",toarray"`
	Sums []uint64
	Keys [][]byte
}

// inspectFrame asks for what the receiver holds of keys, unless it is what the sender holds too.
type inspectFrame struct {
	_       struct{} `cbor:",toarray"`
	ID      partitionID
	Inquiry uint64
	Keys    [][]byte
	Have    []replica.Fingerprint
}

// inspectedFrame answers for some of the keys: Same are those of which the sender holds the same, the objects of the others are in Delta. The sender
// is silent about what is broken there, too.
type inspectedFrame struct {
	_       struct{} `cbor:",toarray"`
	ID      partitionID
	Inquiry uint64
	Same    [][]byte
	Delta   []byte
}

// disputedFrame tells that the sender has made siblings of values that no majority held.
type disputedFrame struct {
	_      struct{} `cbor:",toarray"`
	ID     partitionID
	Key    []byte
	Values int
}

// askObjectsFrame asks for the objects of keys, with the values that their versions have overwritten.
type askObjectsFrame struct {
	_    struct{} `cbor:",toarray"`
	ID   partitionID
	Keys [][]byte
}

// objectsFrame answers it.
type objectsFrame struct {
	_     struct{} `cbor:",toarray"`
	ID    partitionID
	Seals uint64
	Delta []byte
}

var errFrame = errors.New("bad frame")

// codec holds the CBOR modes: deterministic encoding, decoding with bounds.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

func newCodec() codec {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("engine: cbor encoding options: " + err.Error())
	}
	dec, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  8,
		MaxArrayElements: 1 << 20,
		MaxMapPairs:      1 << 16,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
	}.DecMode()
	if err != nil {
		panic("engine: cbor decoding options: " + err.Error())
	}
	return codec{enc: enc, dec: dec}
}

// frame encodes a message with its header.
func (c codec) frame(kind frameKind, msg any) []byte {
	body := c.record(msg)
	out := make([]byte, 0, 2+len(body))
	return append(append(out, protocolVersion, byte(kind)), body...)
}

// record encodes a value that cannot fail to encode: plain structs of this package.
func (c codec) record(v any) []byte {
	b, err := c.enc.Marshal(v)
	if err != nil {
		panic("engine: encode " + err.Error())
	}
	return b
}

// open splits a frame into kind and body.
func (c codec) open(b []byte) (frameKind, []byte, error) {
	switch {
	case len(b) < 2:
		return 0, nil, fmt.Errorf("%w: %d bytes", errFrame, len(b))
	case b[0] != protocolVersion:
		return 0, nil, fmt.Errorf("%w: protocol version %d, this node speaks %d", errFrame, b[0], protocolVersion)
	}
	return frameKind(b[1]), b[2:], nil
}

func decode[T any](c codec, body []byte) (T, error) {
	var v T
	if err := c.dec.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("%w: %w", errFrame, err)
	}
	return v, nil
}
