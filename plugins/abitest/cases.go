package abitest

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/abi"
)

// testCase is one conflict for the probe, and what it has to answer.
type testCase struct {
	name string
	in   plugins.Input
	want plugins.Verdict
	// like says whether a verdict will do that is not want; nil: none.
	like func(plugins.Verdict) bool
	// mayTrap says that a trap will do, too; mustTrap that nothing else does.
	mayTrap, mustTrap bool
	// echo says that want is the dump of in.
	echo bool
	// logs is what has to arrive in the log.
	logs string
}

// The text of an error by which a probe says that it cannot do what is asked.
const unsupported = "unsupported"

// everyByte holds each byte once, from 255 down.
func everyByte() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(255 - i)
	}
	return b
}

// two is a conflict of two short values.
func two(key string) plugins.Input {
	return plugins.Input{Key: []byte(key), Versions: []plugins.Version{
		{Value: []byte("a"), Time: 1, Origin: 7}, {Value: []byte("bc"), Time: 2, Origin: 8},
	}}
}

// cases returns all of them, in the order of the report.
func cases() []testCase {
	all := verdictCases()
	all = append(all, sizeCases()...)
	all = append(all, contentCases()...)
	all = append(all, numberCases()...)
	all = append(all, baseCases()...)
	return append(all, frameCases()...)
}

// verdictCases ask for each verdict.
func verdictCases() []testCase {
	set := func(name, arg string) testCase {
		return testCase{name: "set: " + name, in: two("set:" + arg), want: plugins.Verdict{Kind: plugins.Set, Value: []byte(arg)}}
	}
	pick := func(index int) testCase {
		return testCase{
			name: "pick: version " + strconv.Itoa(index), in: two("pick:" + strconv.Itoa(index)),
			want: plugins.Verdict{Kind: plugins.Pick, Index: index, Value: two("").Versions[index].Value},
		}
	}
	failed := func(v plugins.Verdict) bool { return v.Kind == plugins.Failed }
	return []testCase{
		{name: "keep", in: two("keep"), want: plugins.Verdict{Kind: plugins.Keep}},
		{name: "delete", in: two("delete"), want: plugins.Verdict{Kind: plugins.Delete}},
		pick(0), pick(1),
		{name: "pick: a version that does not exist", in: two("pick:2"), want: plugins.Verdict{Kind: plugins.Failed}, like: failed, mayTrap: true},
		set("text", "plum"), set("nothing", ""), set("a colon", "a:b"), set("every byte", string(everyByte())),
		{name: "error: text", in: two("error:not a cart"), want: plugins.Verdict{Kind: plugins.Failed, Message: "not a cart"}},
		{name: "error: UTF-8", in: two("error:käse 🧀"), want: plugins.Verdict{Kind: plugins.Failed, Message: "käse 🧀"}},
		{
			name: "error: unknown command", in: two("dance"), want: plugins.Verdict{Kind: plugins.Failed, Message: "unknown command"},
			like: func(v plugins.Verdict) bool {
				return failed(v) && bytes.HasPrefix([]byte(v.Message), []byte("unknown command"))
			},
		},
		{name: "log", in: two("log:pears are out"), want: plugins.Verdict{Kind: plugins.Keep}, logs: "pears are out"},
		{name: "trap", in: two("trap"), mustTrap: true},
		{name: "keep: after a trap", in: two("keep"), want: plugins.Verdict{Kind: plugins.Keep}},
	}
}

// sizeCases ask for outputs of many sizes.
func sizeCases() []testCase {
	var all []testCase
	for _, n := range []int{0, 1, 4097, 70_000} {
		value := make([]byte, n)
		for i := range value {
			value[i] = byte(i % 251)
		}
		all = append(all, testCase{
			name: fmt.Sprintf("grow: %d bytes", n), in: two("grow:" + strconv.Itoa(n)),
			want: plugins.Verdict{Kind: plugins.Set, Value: value},
		})
	}
	return all
}

// echo is a case whose input comes back as text.
func echo(name string, in plugins.Input) testCase {
	return testCase{name: "echo: " + name, in: in, echo: true}
}

// contentCases have keys and values of all kinds.
func contentCases() []testCase {
	binary := two("echo:" + string(everyByte()))
	binary.Versions[0].Value, binary.Versions[1].Value = everyByte(), []byte("0:\n\x00 \xff\xfe")
	empty := two("echo")
	empty.Versions[0].Value, empty.Versions[1].Value = nil, nil
	deleted := two("echo")
	deleted.Versions[0] = plugins.Version{Time: 1, Origin: 7, Deleted: true}
	allDeleted := two("echo")
	for i := range allDeleted.Versions {
		allDeleted.Versions[i].Value, allDeleted.Versions[i].Deleted = nil, true
	}
	lengths := two("echo")
	for n := range 20 {
		v := plugins.Version{Value: bytes.Repeat([]byte{byte('a' + n)}, n), Time: 3, Origin: uint64(n)}
		lengths.Versions = append(lengths.Versions, v)
	}
	return []testCase{
		echo("two versions", two("echo")), echo("a key with an argument", two("echo:a:b")), echo("binary key and values", binary),
		echo("empty values", empty), echo("a delete", deleted), echo("deletes only", allDeleted), echo("values of every alignment", lengths),
	}
}

// numberCases have times and origins that do not fit everywhere.
func numberCases() []testCase {
	var all []testCase
	for _, number := range []struct {
		name string
		n    uint64
	}{{"2^32", 1 << 32}, {"2^53", 1<<53 + 2}, {"2^63", 1 << 63}, {"2^64-1", math.MaxUint64}} {
		in, n := two("echo"), number.n
		in.Versions[0].Time, in.Versions[0].Origin = n-1, n
		in.Versions[1].Time, in.Versions[1].Origin = n, n-1
		in.Base = &plugins.Version{Value: []byte("o"), Time: n, Origin: n}
		all = append(all, echo("numbers about "+number.name, in))
	}
	return all
}

// baseCases have bases of all kinds; the other cases have none.
func baseCases() []testCase {
	base := func(b plugins.Version) plugins.Input {
		in := two("echo")
		in.Base = &b
		return in
	}
	pick := base(plugins.Version{Value: []byte("o")})
	pick.Key = []byte("pick:2")
	return []testCase{
		echo("a base", base(plugins.Version{Value: []byte("trunk"), Time: 1, Origin: 3})),
		echo("an empty base", base(plugins.Version{})),
		echo("a base that is a delete", base(plugins.Version{Time: 1, Origin: 3, Deleted: true})),
		{
			name: "pick: the base, which is no version", in: pick, want: plugins.Verdict{Kind: plugins.Failed}, mayTrap: true,
			like: func(v plugins.Verdict) bool { return v.Kind == plugins.Failed },
		},
	}
}

// frameCases have frames of many versions and bytes.
func frameCases() []testCase {
	many := plugins.Input{Key: []byte("echo")}
	for i := range 256 {
		many.Versions = append(many.Versions, plugins.Version{
			Value: []byte(strconv.Itoa(i)), Time: uint64(i / 3), Origin: uint64(i), Deleted: i%16 == 5,
		})
		if many.Versions[i].Deleted {
			many.Versions[i].Value = nil
		}
	}
	withBase := many
	withBase.Base = &plugins.Version{Value: []byte("trunk")}
	keep := sized("keep", 1<<20+1)
	return []testCase{
		echo("256 versions", many), echo("256 versions and a base", withBase),
		echo("a frame of exactly 64 KiB", sized("echo", abi.InitialFrameBytes)),
		echo("a frame of 64 KiB and 8 bytes", sized("echo", abi.InitialFrameBytes+8)),
		echo("a frame of 128 KiB", sized("echo", 2*abi.InitialFrameBytes)),
		echo("a frame of a MiB", sized("echo", 1<<20)),
		{name: "keep: a frame of more than a MiB", in: keep, want: plugins.Verdict{Kind: plugins.Keep}},
		echo("a small frame after a large one", two("echo:after")),
	}
}

// sized is a conflict whose frame has size bytes, rounded up to a multiple of 8, or some more when size is small.
func sized(key string, size uint64) plugins.Input {
	in := two(key)
	f := abi.Frame{Key: in.Key, Versions: in.Versions}
	value := make([]byte, size-f.Size()+uint64(len(in.Versions[0].Value)))
	for i := range value {
		value[i] = byte(i * 7)
	}
	in.Versions[0].Value = value
	return in
}
