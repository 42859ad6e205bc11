package calendar

// Change is a date on which two calendars differ.
type Change struct {
	Date Date
	// Old and New are nil where there is no session.
	Old, New *Session
}

// Diff lists the dates from from to to, both included, on which the sessions of
// the two calendars open, close or pause differently, in their order. What they
// say of the reason or whether a date is verified does not count. The caller
// bounds the period.
func Diff(before, after *Calendar, from, to Date) []Change {
	var changes []Change
	for d := max(from, minDate); d <= min(to, maxDate); d++ {
		a, had := before.Session(d)
		b, has := after.Session(d)
		if had == has && a.Open.Equal(b.Open) && a.Close.Equal(b.Close) &&
			a.BreakStart.Equal(b.BreakStart) && a.BreakEnd.Equal(b.BreakEnd) {
			continue
		}
		c := Change{Date: d}
		if had {
			c.Old = &a
		}
		if has {
			c.New = &b
		}
		changes = append(changes, c)
	}
	return changes
}
