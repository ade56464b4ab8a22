// The probe of plugins/abitest, in Go.
package main

import (
	"bytes"
	"strconv"

	"github.com/kvnode/kvnode/plugins/sdk"
)

func init() { sdk.Handle(probe) }

func probe(c sdk.Conflict) sdk.Verdict {
	command, arg, _ := bytes.Cut(c.Key, []byte(":"))
	switch string(command) {
	case "keep":
		return sdk.Keep()
	case "delete":
		return sdk.Delete()
	case "pick":
		return number(arg, sdk.Pick)
	case "set":
		return sdk.Set(arg)
	case "grow":
		return number(arg, grow)
	case "echo":
		return sdk.Set(dump(c))
	case "error":
		return sdk.Fail(string(arg))
	case "log":
		println(string(arg))
		return sdk.Keep()
	case "trap":
		panic("as asked")
	}
	return sdk.Fail("unknown command " + strconv.Quote(string(command)))
}

// number calls f with the number in arg.
func number(arg []byte, f func(int) sdk.Verdict) sdk.Verdict {
	n, err := strconv.Atoi(string(arg))
	if err != nil {
		return sdk.Fail(err.Error())
	}
	return f(n)
}

func grow(n int) sdk.Verdict {
	value := make([]byte, n)
	for i := range value {
		value[i] = byte(i % 251)
	}
	return sdk.Set(value)
}

func dump(c sdk.Conflict) []byte {
	out := blob([]byte("key "), c.Key)
	out = append(strconv.AppendUint(append(out, "\nnow "...), c.Now, 10), "\nseed "...)
	out = append(strconv.AppendUint(out, c.Seed, 10), '\n')
	for _, v := range c.Versions {
		out = version(append(out, "version "...), v)
	}
	if c.Base == nil {
		return append(out, "base none\n"...)
	}
	return version(append(out, "base "...), *c.Base)
}

func version(out []byte, v sdk.Version) []byte {
	out = append(strconv.AppendUint(out, v.Time, 10), ' ')
	out = append(strconv.AppendUint(out, v.Origin, 10), ' ')
	if v.Deleted {
		return append(blob(append(out, "1 "...), v.Value), '\n')
	}
	return append(blob(append(out, "0 "...), v.Value), '\n')
}

func blob(out, b []byte) []byte {
	out = append(strconv.AppendInt(out, int64(len(b)), 10), ':')
	return append(out, b...)
}

func main() {}
