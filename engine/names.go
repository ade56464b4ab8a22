package engine

import (
	"fmt"
	"log/slog"
	"slices"
)

const maxNameBytes = 128

// validName accepts 1 to 128 letters, digits, '-', '_' or '.', starting with a letter or digit.
func validName(s string) bool {
	if s == "" || len(s) > maxNameBytes || !alphanumeric(s[0]) {
		return false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func validKey(key string) error {
	if key == "" || len(key) > MaxKeyBytes {
		return fmt.Errorf("%w, this one has %d", ErrBadKey, len(key))
	}
	return nil
}

// normalise fills the defaults of a table's options and refuses unknown ones with ErrBadOption.
func (o TableOptions) normalise(name string) (TableOptions, error) {
	o.Type = orDefault(o.Type, Set)
	o.Ack = orDefault(o.Ack, AckAll)
	o.Unresolved = orDefault(o.Unresolved, Keep)
	o.Deletes = orDefault(o.Deletes, HiddenDeletes)
	o.Handler = orDefault(o.Handler, name)
	switch {
	case !slices.Contains([]TableType{Set, OrderedSet}, o.Type):
		return o, fmt.Errorf("%w: type %q: use %s or %s", ErrBadOption, o.Type, Set, OrderedSet)
	case !validAck(o.Ack):
		return o, errBadAck(o.Ack)
	case !slices.Contains([]Policy{Keep, LWW, RestartNode}, o.Unresolved):
		return o, fmt.Errorf("%w: unresolved %q: use %s, %s or %s", ErrBadOption, o.Unresolved, Keep, LWW, RestartNode)
	case !slices.Contains([]Deletes{HiddenDeletes, VisibleDeletes}, o.Deletes):
		return o, fmt.Errorf("%w: deletes %q: use %s or %s", ErrBadOption, o.Deletes, HiddenDeletes, VisibleDeletes)
	case !validName(o.Handler):
		return o, fmt.Errorf("%w: handler %q: %w", ErrBadOption, o.Handler, ErrBadPluginName)
	}
	return o, nil
}

func validAck(a AckLevel) bool {
	return slices.Contains([]AckLevel{AckLocal, AckOne, AckQuorum, AckAll}, a)
}

func errBadAck(a AckLevel) error {
	return fmt.Errorf("%w: ack %q: use %s, %s, %s or %s", ErrBadOption, a, AckLocal, AckOne, AckQuorum, AckAll)
}

func optionAttrs(f tableFact) []slog.Attr {
	attrs := []slog.Attr{slog.Any("held", f.Options)}
	for _, r := range f.Rejected {
		attrs = append(attrs, slog.Any("rejected", r))
	}
	return attrs
}
