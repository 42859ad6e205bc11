package schedule

import (
	"hash/fnv"
	"strconv"
	"time"
)

// hashOf is the hash behind H, jitter and offset. What it returns is stored
// with nobody but relied upon: it never changes. FNV-1a, then the finaliser of
// SplitMix64, because FNV's low bits alone are poorly mixed.
func hashOf(parts ...string) uint64 {
	f := fnv.New64a()
	for _, p := range parts {
		f.Write([]byte(p))
		f.Write([]byte{0})
	}
	h := f.Sum64()
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Offset returns the delay that all nominals of a schedule share: whole
// seconds, at least 0 and less than limit. It depends on the schedule's id only.
func Offset(scheduleID string, limit time.Duration) time.Duration {
	seconds := uint64(max(limit, 0) / time.Second)
	if seconds == 0 {
		return 0
	}
	return time.Duration(hashOf(scheduleID, "offset")%seconds) * time.Second
}

// Jitter returns the delay of one nominal: whole milliseconds, at least 0 and
// less than limit. It depends on its arguments only, so a restart does not
// move it.
func Jitter(scheduleID string, nominal time.Time, limit time.Duration) time.Duration {
	ms := uint64(max(limit, 0) / time.Millisecond)
	if ms == 0 {
		return 0
	}
	return time.Duration(hashOf(scheduleID, "jitter", strconv.FormatInt(nominal.UnixMilli(), 10))%ms) * time.Millisecond
}

// Due returns when a nominal is due: later by the schedule's Offset below
// offset and the nominal's Jitter below jitter, and before following, the
// nominal after it. A zero following sets no bound.
func Due(scheduleID string, nominal, following time.Time, offset, jitter time.Duration) time.Time {
	fixed := Offset(scheduleID, offset)
	if !following.IsZero() {
		// The last millisecond that is free.
		room := max(following.Sub(nominal)-time.Millisecond, 0)
		fixed = min(fixed, room)
		jitter = min(jitter, room-fixed+time.Millisecond)
	}
	return nominal.Add(fixed + Jitter(scheduleID, nominal, jitter))
}
