package replica

// swap stores next in place of old for the key: the only door through which what is known of a key changes. next must be stripped. It keeps
// the counts, the audit sum, the set of conflicts and the waiting list, and returns whether the versions changed.
func (r *Replica) swap(key string, old entry, next Object) bool {
	e := entry{Object: next, sum: old.sum}
	changed := !sameDots(old.Versions, next.Versions)
	if changed {
		e.sum = r.fingerprint(key, next.Versions)
		r.sum = r.sum.minus(old.sum).plus(e.sum)
		r.count(key, old.Versions, next.Versions)
	}
	r.await(key, old.Context, next.Context)
	if len(next.Versions) == 0 && len(next.Context) == 0 {
		r.objects.remove(key)
	} else {
		r.objects.set(key, e)
	}
	return changed
}

func sameDots(a, b []Version) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Dot != b[i].Dot {
			return false
		}
	}
	return true
}

// count keeps the numbers and the set of conflicts.
func (r *Replica) count(key string, old, next []Version) {
	r.bytes += size(key, next) - size(key, old)
	r.live += min(len(next), 1) - min(len(old), 1)
	switch isConflict := len(next) > 1; {
	case isConflict && len(old) <= 1:
		r.conflicts.Insert(key)
	case !isConflict && len(old) > 1:
		r.conflicts.Delete(key)
	}
}

// size returns the bytes of a key and its values, 0 for a key without versions.
func size(key string, vs []Version) int64 {
	if len(vs) == 0 {
		return 0
	}
	n := len(key)
	for _, v := range vs {
		n += len(v.Value)
	}
	return int64(n)
}
