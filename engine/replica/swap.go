package replica

// swap stores next in place of old for the key: the only door through which what is known of a key changes, but for what the audit mends, which
// shares store with it. next must be stripped. It returns whether the versions changed, other than from deletes alone to none or to others.
func (r *Replica) swap(key string, old entry, next Object) bool {
	e := entry{Object: next, sum: old.sum}
	changed := !sameDots(old.Versions, next.Versions)
	if changed {
		e.sum = r.fingerprint(key, next.Versions)
	}
	r.store(key, old, e)
	return changed && (!IsAbsent(old.Versions) || !IsAbsent(next.Versions))
}

// store puts e in place of old, and keeps the counts, the audit sum, the set of conflicts, the waiting list and the index by place.
func (r *Replica) store(key string, old, e entry) {
	if old.sum != e.sum {
		old.sum = r.summed(key, old)
		r.sum = r.sum.minus(old.sum).plus(e.sum)
		r.count(key, old.Versions, e.Versions)
	}
	r.age(key, old.Versions, e.Versions)
	r.await(key, e.Context)
	r.place(key, old, e)
	if e.isEmpty() {
		r.objects.remove(key)
	} else {
		r.objects.set(key, e)
	}
}

// summed returns the fingerprint of a key that is in the sums. It is the one that is stored with it, unless memory broke: of the versions, the stored
// fingerprint and the index by place, two agree.
func (r *Replica) summed(key string, e entry) sum128 {
	if actual := r.fingerprint(key, e.Versions); actual != e.sum && actual[1] == r.share(key) {
		return actual
	}
	return e.sum
}

// share returns what the index by place has of a key that is there: the low half of its fingerprint.
func (r *Replica) share(key string) uint64 {
	leaf := r.places.down(span{lo: placeOf(key), bits: 64})
	return leaf.keys[leaf.index(key)].sum
}

// place keeps the index by place, and what a transfer remembers of a key before it changes.
func (r *Replica) place(key string, old, e entry) {
	switch {
	case old.isEmpty() && !e.isEmpty():
		r.places.put(placed{placeOf(key), e.sum[1], key})
	case !old.isEmpty() && e.isEmpty():
		r.places.remove(key, old.sum[1])
	case old.sum != e.sum:
		r.places.change(key, old.sum[1], e.sum[1])
	}
	if r.intake != nil && old.sum != e.sum {
		r.intake.touch(key, old.Versions)
	}
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
	r.countWriters(old, next)
	r.countLone(key, old, next)
	switch was, is := IsAbsent(old), IsAbsent(next); {
	case was && !is:
		r.live++
	case is && !was:
		r.live--
	}
	switch was, is := isConflict(old), isConflict(next); {
	case is && !was:
		r.conflicts.Insert(key)
	case was && !is:
		r.conflicts.Delete(key)
	}
	switch was, is := isContested(old), isContested(next); {
	case is && !was:
		r.contested++
	case was && !is:
		r.contested--
	}
}

// isContested reports whether two or more of the versions are values.
func isContested(vs []Version) bool {
	n := 0
	for _, v := range vs {
		if !v.Deleted {
			n++
		}
	}
	return n > 1
}

// isConflict reports whether versions contradict each other; deletes do not.
func isConflict(vs []Version) bool {
	return len(vs) > 1 && !IsAbsent(vs)
}

// countWriters keeps how many versions there are of each actor.
func (r *Replica) countWriters(old, next []Version) {
	if len(old) == 1 && len(next) == 1 && old[0].Dot.Actor == next[0].Dot.Actor {
		return
	}
	for _, v := range next {
		r.writers[v.Dot.Actor]++
	}
	for _, v := range old {
		if r.writers[v.Dot.Actor]--; r.writers[v.Dot.Actor] == 0 {
			delete(r.writers, v.Dot.Actor)
		}
	}
}

// size returns the bytes of a key and its values, 0 for a key at which readers see nothing.
func size(key string, vs []Version) int64 {
	if IsAbsent(vs) {
		return 0
	}
	n := len(key)
	for _, v := range vs {
		n += len(v.Value)
	}
	return int64(n)
}
