package clock

import (
	"math"
	"strconv"
	"time"
)

// logicalBits is how many low bits of a Timestamp count events within one millisecond.
const logicalBits = 16

// MaxTimestamp is the end of the scale.
const MaxTimestamp Timestamp = math.MaxUint64

// Timestamp is hybrid time: milliseconds since the Unix epoch in the high 48 bits, a logical counter in the low 16. See Kulkarni, Demirbas,
// Madappa, Avva and Leone, "Logical Physical Clocks" (OPODIS 2014). It is data for people, expiry and handlers; it decides no merge.
type Timestamp uint64

// TimestampOf returns the first Timestamp of the millisecond of t. Times before 1970 give 0, times beyond the scale its last millisecond.
func TimestampOf(t time.Time) Timestamp {
	ms := min(max(t.UnixMilli(), 0), math.MaxInt64>>(logicalBits-1))
	return Timestamp(ms) << logicalBits
}

// Time returns the millisecond of the timestamp as a time in UTC.
func (t Timestamp) Time() time.Time {
	return time.UnixMilli(int64(t >> logicalBits)).UTC()
}

// String returns the time in RFC 3339 with milliseconds, and the logical part after a '+' where there is one:
// "2026-01-02T03:04:05.006Z+7".
func (t Timestamp) String() string {
	s := t.Time().Format("2006-01-02T15:04:05.000Z07:00")
	if logical := uint64(t) & (1<<logicalBits - 1); logical != 0 {
		s += "+" + strconv.FormatUint(logical, 10)
	}
	return s
}

// next returns the timestamp after t, or t at the end of the scale.
func (t Timestamp) next() Timestamp {
	if t == MaxTimestamp {
		return t
	}
	return t + 1
}

// plus returns the timestamp d after t, or the end of the scale.
func (t Timestamp) plus(d time.Duration) Timestamp {
	by := Timestamp(d.Milliseconds()) << logicalBits
	if t > MaxTimestamp-by {
		return MaxTimestamp
	}
	return t + by
}
