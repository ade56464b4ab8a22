package engine

import (
	"encoding/base64"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kvnode/kvnode/clock"
)

func tokenTable() *table {
	return newTable("carts", 3, TableOptions{Type: Set}, clock.ActorFrom([16]byte{1}), &watchCounts{})
}

func tokenSecret() []byte { return []byte("sixteen bytes of") }

func TestTokenOfAnotherSecretIsRefused(t *testing.T) {
	token := encodeToken([]byte("another sixteen!"), tokenTable(), "k", clock.Context{})
	_, err := decodeToken([][]byte{tokenSecret()}, tokenTable(), "k", token)
	require.ErrorIs(t, err, ErrBadContext)
	_, err = decodeToken([][]byte{tokenSecret(), []byte("another sixteen!")}, tokenTable(), "k", token)
	require.NoError(t, err)
}

func TestTokenIsReadBackAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		actors := rapid.SliceOfNDistinct(rapid.Uint64Min(1), 0, 20, rapid.ID[uint64]).Draw(t, "actors")
		seen := clock.Context{}
		for _, a := range actors {
			seen[clock.ActorFrom([16]byte(binary.BigEndian.AppendUint64(make([]byte, 8), a)))] = rapid.Uint64Min(1).Draw(t, "counter")
		}
		key := rapid.String().Draw(t, "key")
		back, err := decodeToken([][]byte{tokenSecret()}, tokenTable(), key, encodeToken(tokenSecret(), tokenTable(), key, seen))
		require.NoError(t, err)
		require.Equal(t, seen, back)
		_, err = decodeToken([][]byte{tokenSecret()}, tokenTable(), key+"x", encodeToken(tokenSecret(), tokenTable(), key, seen))
		require.ErrorIs(t, err, ErrBadContext)
	})
}

// FuzzTokenIsReadOrRefused puts the right binding and checksum around hostile entries, and also tries them bare.
func FuzzTokenIsReadOrRefused(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(make([]byte, actorBytes))
	f.Add(make([]byte, actorBytes+1))
	f.Add(append(make([]byte, actorBytes), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01))
	f.Add(append(make([]byte, actorBytes), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f))
	f.Fuzz(func(t *testing.T, entries []byte) {
		body := binary.BigEndian.AppendUint64([]byte{tokenVersion}, tokenBinding(tokenTable(), "k"))
		body = append(body, entries...)
		sealed := base64.RawURLEncoding.EncodeToString(append(body, authenticate(tokenSecret(), body)...))
		for _, token := range []string{sealed, string(entries), base64.RawURLEncoding.EncodeToString(entries)} {
			seen, err := decodeToken([][]byte{tokenSecret()}, tokenTable(), "k", token)
			if err != nil {
				require.ErrorIs(t, err, ErrBadContext)
				continue
			}
			again, err := decodeToken([][]byte{tokenSecret()}, tokenTable(), "k", encodeToken(tokenSecret(), tokenTable(), "k", seen))
			require.NoError(t, err)
			require.Equal(t, seen, again)
		}
	})
}
