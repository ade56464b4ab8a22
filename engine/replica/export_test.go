package replica

// BreakFingerprint flips a bit in the high or low half of a key's stored fingerprint, as bad memory does.
func BreakFingerprint(r *Replica, key string, half int) {
	e, _ := r.objects.get(key)
	e.sum[half] ^= 1
	r.objects.set(key, e)
}

// BreakPlaced flips a bit of the fingerprint that the index by place has of a key.
func BreakPlaced(r *Replica, key string) {
	leaf := r.places.down(span{lo: placeOf(key), bits: 64})
	leaf.keys[leaf.index(key)].sum ^= 1
}
