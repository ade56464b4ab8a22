// Package heap measures, by heap profile, what the members of a cluster keep of entries that were deleted. It is a test binary of its own: the profile
// records every allocation from the start.
package heap
