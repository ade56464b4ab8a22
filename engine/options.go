package engine

// WriteOption changes one write.
type WriteOption func(*WriteOptions)

// WriteOptions are what the options of one write say together.
type WriteOptions struct {
	// Context is the token of WithContext or IfUnchanged, empty for none.
	Context string
	// Unchanged says that the token came from IfUnchanged.
	Unchanged bool
	// Ack is the level of WithAck, empty for the table's.
	Ack AckLevel
}

// WithContext makes the write replace only what the read that returned the token has seen; versions unseen by it stay as siblings. Only for
// writes of one key.
func WithContext(token string) WriteOption {
	return func(o *WriteOptions) { o.Context = token }
}

// IfUnchanged makes the write conditional: ErrConflict when the key has a version that the read which returned the token has not seen. Only for
// writes of one key.
func IfUnchanged(token string) WriteOption {
	return func(o *WriteOptions) { o.Context, o.Unchanged = token, true }
}

// WithAck overrides the table's acknowledgement level.
func WithAck(level AckLevel) WriteOption {
	return func(o *WriteOptions) { o.Ack = level }
}

// GatherOptions applies options, the later ones over the earlier ones.
func GatherOptions(opts ...WriteOption) WriteOptions {
	var o WriteOptions
	for _, opt := range opts {
		opt(&o)
	}
	return o
}
