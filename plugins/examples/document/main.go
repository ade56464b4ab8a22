// Command document is a conflict handler for JSON documents: a three-way merge, field by field, against the version that all sides changed.
package main

import (
	"strconv"

	"github.com/kvnode/kvnode/plugins/sdk"
)

func init() {
	sdk.Handle(mergeDocuments)
	// Every call starts from what initialisation leaves: with the heap grown, it is faster.
	mergeDocuments(sdk.NewConflict("", `{"a":[1,"b"]}`, `{"c":null}`).WithBase(`{"d":true}`))
}

func main() {}

// mergeDocuments keeps what each side has changed. Where two changed the same field, objects are merged, an edit stands above a removal, and of
// other values the newest holds.
func mergeDocuments(c sdk.Conflict) sdk.Verdict {
	if c.Size() > maxBytes || len(c.Versions) > maxVersions {
		return sdk.Fail("more than 16 KiB, or 32 versions, are too much to merge")
	}
	var base node
	if c.Base != nil && !c.Base.Deleted {
		var err error
		if base, err = parse(c.Base.Value); err != nil {
			base = nil // what was no document has no fields to compare with
		}
	}
	versions := make([]node, len(c.Versions))
	for i, v := range c.Versions {
		if v.Deleted {
			continue
		}
		var err error
		if versions[i], err = parse(v.Value); err != nil {
			return sdk.Fail("version " + strconv.Itoa(i) + " is no JSON: " + err.Error())
		}
	}
	merged := merge(base, versions)
	if merged.isAbsent() {
		return sdk.Delete()
	}
	return sdk.Set(merged)
}
