package abi_test

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kvnode/kvnode/plugins/abi"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// address is where the golden frames lie.
const address = 1024

func frames() map[string]abi.Frame {
	return map[string]abi.Frame{
		"two": {
			Key: []byte("cart:42"), Now: 0x1122334455667788, Seed: 0x99aabbccddeeff00,
			Versions: []abi.Sibling{
				{Value: []byte("apple"), Time: 0x1122334455667700, Origin: 7},
				{Value: []byte("pear and plum"), Time: 0x1122334455667788, Origin: 3},
			},
		},
		"deleted": {
			Key: []byte("k"), Now: 2, Seed: 1,
			Versions: []abi.Sibling{
				{Value: []byte("12345678"), Time: 1, Origin: 1},
				{Time: 2, Origin: 1, Deleted: true},
				{Time: 2, Origin: 2},
			},
		},
		"base": {
			Key: []byte("doc"), Now: 5, Seed: 2,
			Versions: []abi.Sibling{{Value: []byte("left"), Time: 4, Origin: 1}, {Value: []byte("right"), Time: 5, Origin: 2}},
			Base:     &abi.Sibling{Value: []byte("trunk"), Time: 3, Origin: 9},
		},
	}
}

func encode(f *abi.Frame, addr uint32) []byte {
	buf := make([]byte, f.Size())
	for i := range buf {
		buf[i] = 0xff
	}
	f.Encode(buf, addr)
	return buf
}

func TestFrameIsTheGoldenBytes(t *testing.T) {
	for name, f := range frames() {
		path := filepath.Join("testdata", name+".hex")
		got := hex.Dump(encode(&f, address))
		if *rewrite {
			require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), got, name)
	}
}

func TestEncodePanicsWhenTheFrameDoesNotFit(t *testing.T) {
	f := frames()["two"]
	require.Panics(t, func() { f.Encode(make([]byte, f.Size()-1), address) })
	require.Panics(t, func() { f.Encode(make([]byte, f.Size()), 0xffff_fff8) })
}

func genFrame(t *rapid.T) abi.Frame {
	blob := rapid.SliceOfN(rapid.Byte(), 0, 40)
	f := abi.Frame{Key: blob.Draw(t, "key"), Now: rapid.Uint64().Draw(t, "now"), Seed: rapid.Uint64().Draw(t, "seed")}
	version := rapid.Custom(func(t *rapid.T) abi.Sibling {
		return abi.Sibling{
			Value: blob.Draw(t, "value"), Time: rapid.Uint64().Draw(t, "time"),
			Origin: rapid.Uint64().Draw(t, "origin"), Deleted: rapid.Bool().Draw(t, "deleted"),
		}
	})
	f.Versions = make([]abi.Sibling, rapid.IntRange(0, 5).Draw(t, "n"))
	for i := range f.Versions {
		f.Versions[i] = version.Draw(t, "version")
	}
	if rapid.Bool().Draw(t, "has base") {
		base := version.Draw(t, "base")
		f.Base = &base
	}
	return f
}

func TestDecodeInvertsEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := genFrame(t)
		addr := rapid.Uint32Range(0, 1<<31).Draw(t, "addr") &^ 7
		got, err := abi.Decode(encode(&f, addr), addr)
		require.NoError(t, err)
		require.Equal(t, f, got)
	})
}

func TestTheBaseChangesNothingThatAnOldModuleReads(t *testing.T) {
	f := frames()["base"]
	plain := f
	plain.Base = nil
	with, err := abi.Decode(encode(&f, address), address)
	require.NoError(t, err)
	buf := encode(&f, address)
	binary.LittleEndian.PutUint32(buf[abi.OffFlags:], 0)
	old, err := abi.Decode(buf, address)
	require.NoError(t, err)
	require.Equal(t, plain, old)
	require.Equal(t, with.Versions, old.Versions)
}

func TestABaseWithoutRoomIsRefused(t *testing.T) {
	f := abi.Frame{}
	buf := encode(&f, address)
	binary.LittleEndian.PutUint32(buf[abi.OffFlags:], abi.FlagBase)
	_, err := abi.Decode(buf, address)
	require.ErrorIs(t, err, abi.ErrFrame)
}

func TestEverythingInTheFrameIsAligned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := genFrame(t)
		buf := encode(&f, address)
		require.Zero(t, len(buf)%abi.Align)
		require.Zero(t, binary.LittleEndian.Uint32(buf[abi.OffKey:])%abi.Align)
		for i := range f.Versions {
			off := abi.HeaderBytes + abi.VersionBytes*i + abi.OffVersionValue
			require.Zero(t, binary.LittleEndian.Uint32(buf[off:])%abi.Align)
		}
	})
}

func TestDecodeRefusesWhatPointsOutside(t *testing.T) {
	f := frames()["two"]
	for name, spoil := range map[string]func([]byte){
		"size":    func(b []byte) { binary.LittleEndian.PutUint32(b[abi.OffSize:], uint32(len(b)+1)) },
		"small":   func(b []byte) { binary.LittleEndian.PutUint32(b[abi.OffSize:], abi.HeaderBytes-1) },
		"count":   func(b []byte) { binary.LittleEndian.PutUint32(b[abi.OffVersions:], 1<<31) },
		"key":     func(b []byte) { binary.LittleEndian.PutUint32(b[abi.OffKey:], address-8) },
		"key_len": func(b []byte) { binary.LittleEndian.PutUint32(b[abi.OffKeyLen:], 1<<32-1) },
	} {
		buf := encode(&f, address)
		spoil(buf)
		_, err := abi.Decode(buf, address)
		require.ErrorIs(t, err, abi.ErrFrame, name)
	}
	_, err := abi.Decode(make([]byte, abi.HeaderBytes-1), 0)
	require.ErrorIs(t, err, abi.ErrFrame)
}

func decodeOutput(memory []byte, frame uint32, status int32) (out abi.Output, err error) {
	err = out.Decode(memory, frame, status, 2)
	return out, err
}

func TestDecodeOutputReadsWhatTheStatusUses(t *testing.T) {
	memory := make([]byte, 256)
	copy(memory[200:], "plum")
	frame := memory[64:]
	for status, want := range map[int32]abi.Output{
		0: {Status: abi.StatusKeep}, 1: {Status: abi.StatusSet, Value: []byte("plum")}, 2: {Status: abi.StatusDelete},
		3: {Status: abi.StatusPick, Index: 1}, -1: {Status: abi.StatusError, Value: []byte("plum")},
		-77: {Status: abi.StatusError, Value: []byte("plum")},
	} {
		clear(frame[:abi.HeaderBytes])
		abi.EncodeOutput(frame, want, 200)
		got, err := decodeOutput(memory, 64, status)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestDecodeOutputRefusesViolations(t *testing.T) {
	memory := make([]byte, 128)
	set := abi.Output{Status: abi.StatusSet, Value: make([]byte, 9)}
	abi.EncodeOutput(memory, set, 120)
	_, err := decodeOutput(memory, 0, 1)
	require.ErrorIs(t, err, abi.ErrPointer)
	abi.EncodeOutput(memory, set, 1<<32-1)
	_, err = decodeOutput(memory, 0, 1)
	require.ErrorIs(t, err, abi.ErrPointer)
	abi.EncodeOutput(memory, abi.Output{Status: abi.StatusPick, Index: 2}, 0)
	_, err = decodeOutput(memory, 0, 3)
	require.ErrorIs(t, err, abi.ErrIndex)
	_, err = decodeOutput(memory, 0, 4)
	require.ErrorIs(t, err, abi.ErrStatus)
	_, err = decodeOutput(memory, 65, 0)
	require.ErrorIs(t, err, abi.ErrPointer)
}

func FuzzDecode(f *testing.F) {
	for _, frame := range frames() {
		f.Add(encode(&frame, address), uint32(address))
	}
	f.Fuzz(func(t *testing.T, buf []byte, addr uint32) {
		frame, err := abi.Decode(buf, addr)
		if err != nil {
			require.ErrorIs(t, err, abi.ErrFrame)
			return
		}
		for _, v := range frame.Versions {
			require.LessOrEqual(t, len(v.Value), len(buf))
		}
	})
}

func FuzzDecodeOutput(f *testing.F) {
	for _, frame := range frames() {
		f.Add(encode(&frame, 0), uint32(0), int32(1))
	}
	f.Fuzz(func(t *testing.T, memory []byte, frame uint32, status int32) {
		o, err := decodeOutput(memory, frame, status)
		if err == nil {
			require.LessOrEqual(t, len(o.Value), len(memory))
			require.Less(t, o.Index, 2)
		}
	})
}

func BenchmarkEncodeTwoVersions(b *testing.B) {
	f := frames()["two"]
	buf := make([]byte, f.Size())
	b.ReportAllocs()
	for b.Loop() {
		f.Encode(buf, address)
	}
}
