package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
)

// hashVersion begins what is hashed. It changes with the form.
const hashVersion = "runsheet approval 1"

// Hash is what a person who decides has seen: SHA-256, "sha256:" and hex, over the
// decimal length, a colon and the text of each of kind, subject, title, summary,
// table, content and number of approvals, in this order, lists with their number
// in front. Who asks, when and for how long are no part of it: a re-request of the
// same has the same hash.
func Hash(r Request) string {
	h := sha256.New()
	put := func(texts ...string) {
		for _, s := range texts {
			_, _ = fmt.Fprintf(h, "%d:%s", len(s), s) // a hash takes everything
		}
	}
	count := func(n int) { put(strconv.Itoa(n)) }
	put(hashVersion, string(r.Kind), string(r.Subject.Type), r.Subject.ID, r.Title)
	count(len(r.Summary))
	for _, f := range r.Summary {
		put(f.Name, f.Label, string(f.Type), f.Value)
	}
	count(len(r.Table.Columns))
	for _, c := range r.Table.Columns {
		put(c.Name, c.Label, string(c.Type))
	}
	count(len(r.Table.Rows))
	for _, row := range r.Table.Rows {
		count(len(row))
		put(row...)
	}
	put(string(r.Content))
	count(r.MinApprovals)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
