package clock_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kvnode/kvnode/clock"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// actor returns the actor whose bytes are all b.
func actor(b byte) clock.Actor {
	return clock.ActorFrom([clock.ActorSize]byte(bytes.Repeat([]byte{b}, clock.ActorSize)))
}

func TestActorKeepsItsBytesThroughEveryForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := [clock.ActorSize]byte(rapid.SliceOfN(rapid.Byte(), clock.ActorSize, clock.ActorSize).Draw(t, "bytes"))
		a := clock.ActorFrom(b)
		require.Equal(t, b, a.Bytes())
		require.Equal(t, a, clock.ActorFrom(b))

		parsed, err := clock.ParseActor(a.String())
		require.NoError(t, err)
		require.Equal(t, a, parsed)

		var fromBinary, fromText clock.Actor
		data, err := a.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, fromBinary.UnmarshalBinary(data))
		text, err := json.Marshal(a)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &fromText))
		require.Equal(t, a, fromBinary)
		require.Equal(t, a, fromText)
	})
}

func TestActorsAreOrderedByTheirBytes(t *testing.T) {
	low, high := actor(1), actor(0xf0)
	require.Equal(t, -1, low.Compare(high))
	require.Equal(t, 1, high.Compare(low))
	require.Zero(t, low.Compare(actor(1)))
	require.Equal(t, -1, clock.Actor{}.Compare(low))
}

func TestActorNamesItselfShortly(t *testing.T) {
	a, err := clock.ParseActor("a1b2c3d4e5f60718293a4b5c6d7e8f90")
	require.NoError(t, err)
	require.Equal(t, "a1b2c3d4", a.Short())
	require.Equal(t, uint64(0xa1b2c3d4e5f60718), a.Origin())
	require.Equal(t, "a1b2c3d4:17", clock.Dot{Actor: a, Counter: 17}.String())
}

func TestZeroActorIsNoActor(t *testing.T) {
	require.True(t, clock.Actor{}.IsZero())
	require.Equal(t, clock.Actor{}, clock.ActorFrom([clock.ActorSize]byte{}))
	require.False(t, actor(1).IsZero())
	require.Equal(t, strings.Repeat("0", 32), clock.Actor{}.String())
}

func TestMintedActorsComeFromTheSourceOfRandomness(t *testing.T) {
	zerosFirst := append(make([]byte, clock.ActorSize), bytes.Repeat([]byte{7}, clock.ActorSize)...)
	a, err := clock.NewActor(bytes.NewReader(zerosFirst))
	require.NoError(t, err)
	require.Equal(t, actor(7), a, "sixteen zero bytes are no actor")

	broken := errors.New("broken")
	_, err = clock.NewActor(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
}

func TestBadActorsAreRefused(t *testing.T) {
	for _, text := range []string{"", "a1b2c3d4", strings.Repeat("g", 32), strings.Repeat("a", 34)} {
		_, err := clock.ParseActor(text)
		require.ErrorIs(t, err, clock.ErrBadActor, "%q", text)
	}
	var a clock.Actor
	require.ErrorIs(t, a.UnmarshalBinary(make([]byte, 15)), clock.ErrBadActor)
	require.ErrorIs(t, a.UnmarshalText([]byte("xyz")), clock.ErrBadActor)
}

func TestDotsAreOrderedByActorThenCounter(t *testing.T) {
	a1, a2, b1 := clock.Dot{Actor: actor(1), Counter: 1}, clock.Dot{Actor: actor(1), Counter: 2}, clock.Dot{Actor: actor(2), Counter: 1}
	require.Negative(t, a1.Compare(a2))
	require.Negative(t, a2.Compare(b1))
	require.Zero(t, a1.Compare(a1))
	require.True(t, clock.Dot{}.IsZero())
	require.False(t, a1.IsZero())
}
