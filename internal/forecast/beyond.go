package forecast

import (
	"slices"
	"time"
)

// Beyond estimates the starts of jobs at positions (0-based, counted over the
// whole queue) behind the first places, which in and its forecast cover. The
// result is in the order of positions. The estimates are unknown if fewer than
// two of the places that were covered have an estimate.
//
// It goes on at the pace at which the second half of the covered jobs starts;
// the first half is shaped by what runs now. Each of Start, From and To has its
// own pace, so that the range widens with the distance: what lies there need
// not resemble what is in front. Delayed jobs are no measure of pace, and held
// ones share the pace of the others without starting. Locks beyond the covered
// places are unknown: a queue whose front waits for one lock looks slower, one
// whose front uses many slots looks faster than it is.
func Beyond(in Input, covered map[string]Estimate, positions []int) []Estimate {
	out := make([]Estimate, len(positions))
	var start, from, to []time.Duration
	reason := ReasonNoDurations
	if in.Paused {
		reason = ReasonPaused
	} else if in.Slots <= 0 {
		reason = ReasonNoSlots
	}
	for _, w := range in.Waiting {
		if e := covered[w.ID]; e.Known && !w.NotBefore.After(in.Now) {
			start = append(start, e.Start.Sub(in.Now))
			from = append(from, e.From.Sub(in.Now))
			to = append(to, e.To.Sub(in.Now))
		}
	}
	if len(start) < 2 {
		for i := range out {
			out[i].Reason = reason
		}
		return out
	}
	for _, offsets := range [][]time.Duration{start, from, to} {
		slices.Sort(offsets)
	}
	// Of the places behind, the same share starts as of those in front.
	density := float64(len(start)) / float64(len(in.Waiting))
	for i, pos := range positions {
		places := float64(max(0, pos-len(in.Waiting)+1)) * density
		s, f, t := ahead(start, places), ahead(from, places), ahead(to, places)
		out[i] = Estimate{
			Start: in.Now.Add(s), From: in.Now.Add(min(f, s)), To: in.Now.Add(max(t, s)), Known: true,
		}
	}
	return out
}

// ahead goes on from the last of sorted offsets by so many places.
func ahead(offsets []time.Duration, places float64) time.Duration {
	last := len(offsets) - 1
	half := last / 2
	pace := float64(offsets[last]-offsets[half]) / float64(last-half)
	return time.Duration(min(horizon, saturate(float64(offsets[last])+pace*places)))
}
