package abitest

import (
	"fmt"
	"strconv"

	"github.com/kvnode/kvnode/plugins"
)

// dump is what the command echo answers.
func dump(in plugins.Input, seed uint64) []byte {
	out := blob([]byte("key "), in.Key)
	out = fmt.Appendf(out, "\nnow %d\nseed %d\n", in.Versions[len(in.Versions)-1].Time, seed)
	for i := range in.Versions {
		out = version(out, "version", &in.Versions[i])
	}
	if in.Base == nil {
		return append(out, "base none\n"...)
	}
	return version(out, "base", in.Base)
}

// version appends the line of one version.
func version(out []byte, name string, v *plugins.Version) []byte {
	deleted := 0
	if v.Deleted {
		deleted = 1
	}
	out = fmt.Appendf(out, "%s %d %d %d ", name, v.Time, v.Origin, deleted)
	return append(blob(out, v.Value), '\n')
}

// blob appends a length, a colon and the bytes.
func blob(out, b []byte) []byte {
	out = append(strconv.AppendInt(out, int64(len(b)), 10), ':')
	return append(out, b...)
}
