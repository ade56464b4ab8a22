package replica

import "iter"

const (
	// looseKeys is the size up to which a map's room is not worth giving back: what Go's maps begin with.
	looseKeys = 8
	// looseRatio is how many times larger than its content a map may have been.
	looseRatio = 4
	// movedKeys is how many keys a removal moves to the smaller map.
	movedKeys = 16
)

// keyed is a map by key that gives back the room of keys that were removed, which Go's maps keep. Once most keys are gone, the rest moves to a new map, a
// few keys with each removal, so that none takes long. Calls that do not change it may run side by side.
type keyed[V any] struct {
	m    map[string]V
	old  map[string]V // what has not moved yet; nil most of the time. No key is in both.
	peak int          // the most keys that m has had
}

func (k *keyed[V]) get(key string) (V, bool) {
	v, ok := k.m[key]
	if !ok && k.old != nil {
		v, ok = k.old[key]
	}
	return v, ok
}

func (k *keyed[V]) set(key string, v V) {
	if k.m == nil {
		k.m = map[string]V{}
	}
	if k.old != nil {
		delete(k.old, key)
	}
	k.m[key] = v
	k.peak = max(k.peak, len(k.m))
}

func (k *keyed[V]) remove(key string) {
	delete(k.m, key)
	if k.old != nil {
		delete(k.old, key)
	}
	k.shrink()
}

func (k *keyed[V]) len() int { return len(k.m) + len(k.old) }

// all yields all keys, in no order. The map must not be changed during the iteration.
func (k *keyed[V]) all() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, m := range []map[string]V{k.m, k.old} {
			for key, v := range m {
				if !yield(key, v) {
					return
				}
			}
		}
	}
}

// shrink begins to move to a smaller map once that is worth it, or moves on.
func (k *keyed[V]) shrink() {
	if k.old == nil {
		if k.peak <= looseKeys || len(k.m) > k.peak/looseRatio {
			return
		}
		k.old, k.m, k.peak = k.m, nil, 0
	}
	k.move()
}

// move moves some keys. Without any left the old map goes.
func (k *keyed[V]) move() {
	n := 0
	for key, v := range k.old {
		delete(k.old, key)
		k.set(key, v)
		if n++; n == movedKeys {
			break
		}
	}
	if len(k.old) == 0 {
		k.old = nil
	}
}
