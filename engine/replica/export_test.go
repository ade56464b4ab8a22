package replica

// BreakFingerprint flips a bit of a key's stored fingerprint, as bad memory does.
func BreakFingerprint(r *Replica, key string) {
	e, _ := r.objects.get(key)
	e.sum[1] ^= 1
	r.objects.set(key, e)
}
