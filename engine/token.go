package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/kvnode/kvnode/clock"
)

// A context token is opaque to clients: version, hash of (table, epoch, key), the causal context, and a code that only members can make (HMAC, RFC
// 2104). It is hostile input: a context that was made up could name mutations that are still to come, and hide them from everybody.
const (
	tokenVersion  = 1
	tokenHeader   = 1 + 8
	tokenCode     = 16
	actorBytes    = 16
	maxTokenBytes = 1 << 20
)

// token writes what a reader has seen of a key.
func (c *Core) token(t *table, key string, seen clock.Context) string {
	secrets := c.space.secrets()
	if len(secrets) == 0 {
		return "" // nobody is ready yet, and nobody reads
	}
	return encodeToken(secrets[0], t, key, seen)
}

func encodeToken(secret []byte, t *table, key string, seen clock.Context) string {
	b := make([]byte, 0, tokenHeader+len(seen)*(actorBytes+4)+tokenCode)
	b = append(b, tokenVersion)
	b = binary.BigEndian.AppendUint64(b, tokenBinding(t, key))
	for _, a := range slices.SortedFunc(maps.Keys(seen), clock.Actor.Compare) {
		id := a.Bytes()
		b = binary.AppendUvarint(append(b, id[:]...), seen[a])
	}
	return base64.RawURLEncoding.EncodeToString(append(b, authenticate(secret, b)...))
}

func authenticate(secret, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return mac.Sum(nil)[:tokenCode]
}

// readToken reads a token for this table and key. ErrBadContext when it is anything else.
func (c *Core) readToken(t *table, key, token string) (clock.Context, error) {
	ctx, err := decodeToken(c.space.secrets(), t, key, token)
	if t.options.Local {
		return ctx, err // its versions keep the names of incarnations that are over everywhere else
	}
	maps.DeleteFunc(ctx, func(a clock.Actor, _ uint64) bool { return c.space.isRetired(a) })
	return ctx, err
}

// decodeToken accepts the code of any of the secrets: both sides of a split may have begun with their own.
func decodeToken(secrets [][]byte, t *table, key, token string) (clock.Context, error) {
	if len(token) > maxTokenBytes {
		return nil, fmt.Errorf("%w (it has %d bytes)", ErrBadContext, len(token))
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < tokenHeader+tokenCode || b[0] != tokenVersion {
		return nil, fmt.Errorf("%w (not a token)", ErrBadContext)
	}
	body, code := b[:len(b)-tokenCode], b[len(b)-tokenCode:]
	made := slices.ContainsFunc(secrets, func(secret []byte) bool { return hmac.Equal(code, authenticate(secret, body)) })
	switch {
	case !made:
		return nil, fmt.Errorf("%w (this cluster has not made it)", ErrBadContext)
	case binary.BigEndian.Uint64(body[1:]) != tokenBinding(t, key):
		return nil, fmt.Errorf("%w (it was read from another key or table)", ErrBadContext)
	}
	return decodeTokenEntries(body[tokenHeader:])
}

func decodeTokenEntries(b []byte) (clock.Context, error) {
	ctx := clock.Context{}
	for len(b) > 0 {
		if len(b) < actorBytes {
			return nil, fmt.Errorf("%w (cut short)", ErrBadContext)
		}
		counter, n := binary.Uvarint(b[actorBytes:])
		if n <= 0 {
			return nil, fmt.Errorf("%w (cut short)", ErrBadContext)
		}
		actor := clock.ActorFrom([actorBytes]byte(b[:actorBytes]))
		if actor.IsZero() {
			return nil, fmt.Errorf("%w (it names nobody)", ErrBadContext)
		}
		ctx[actor] = counter
		b = b[actorBytes+n:]
	}
	return ctx, nil
}

func tokenBinding(t *table, key string) uint64 {
	b := binary.BigEndian.AppendUint64(nil, t.epoch)
	b = append(append(append(b, t.name...), 0), key...)
	return xxh3.Hash(b)
}

func hash128(b []byte) [16]byte {
	return xxh3.Hash128(b).Bytes()
}
