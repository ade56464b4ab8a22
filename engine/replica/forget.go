package replica

import (
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// sweep is how far a round of CollectPasts is.
type sweep struct {
	next string // the first key that was not looked at
	news bool   // more is known to be everywhere than when the round began
	done bool   // there is nothing new since the last round
}

func (s *sweep) renew() {
	s.news, s.done = true, false
}

// pastKeys bounds the keys that CollectPasts looks at.
const pastKeys = 1024

// NumPasts returns the number of keys with a version that remembers what it has overwritten.
func (r *Replica) NumPasts() int {
	return r.aged.Len()
}

// CollectPasts forgets, but for that there were any, the pasts of versions that stand alone, when nothing concurrent to them can be under way any more: every known member is known to
// have had the version at a moment of which this replica has everything that the member had. The members need not name this replica. It looks at some keys
// and goes on from there with the next call. It returns how many pasts it has forgotten.
func (r *Replica) CollectPasts(known []clock.Actor) int {
	r.know(known)
	if r.aged.Len() == 0 {
		return 0
	}
	if r.catchUp(); r.sweep.done {
		return 0
	}
	due := r.pastsOver()
	for _, key := range due {
		e, _ := r.objects.get(key)
		v := e.Versions[0]
		v.Past = r.forgotten
		r.swap(key, e, Object{Versions: []Version{v}, Context: e.Context})
	}
	return len(due)
}

// pastsOver goes on with the round, and returns the keys whose pasts can go.
func (r *Replica) pastsOver() (due []string) {
	left, s := pastKeys, &r.sweep
	s.news = s.news && s.next != ""
	ended := true
	r.aged.Ascend(s.next, func(key string) bool {
		if left--; left < 0 {
			s.next, ended = key, false
			return false
		}
		if e, _ := r.objects.get(key); len(e.Versions) == 1 && r.isRipe(e.Versions[0].Dot, r.known) {
			due = append(due, key)
		}
		return true
	})
	if ended {
		s.next, s.done = "", !s.news
	}
	return due
}

// know takes note of the known members.
func (r *Replica) know(known []clock.Actor) {
	if r.known == nil || !slices.Equal(r.known, known) {
		r.known = append([]clock.Actor{}, known...)
		r.sweep.renew()
	}
}

// age keeps the set of keys with pasts.
func (r *Replica) age(key string, old, next []Version) {
	hasPast := func(v Version) bool { return len(v.Past.list()) > 0 }
	switch had, has := slices.ContainsFunc(old, hasPast), slices.ContainsFunc(next, hasPast); {
	case has:
		if !had {
			r.aged.Insert(key)
		}
		if len(next) == 1 && r.isRipe(next[0].Dot, r.known) {
			r.sweep.renew()
		}
	case had:
		r.aged.Delete(key)
		r.dropSights()
	}
}
