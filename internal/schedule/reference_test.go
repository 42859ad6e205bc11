package schedule

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// The slow reading of the law, to compare with: it shares no code with the
// package. It looks at every minute (or second) of a stretch of time, asks
// package time what the clocks on the wall show then, and compares texts.

// refValues says which of the numbers lo to hi an item list of plain numbers
// names.
func refValues(text string, lo, hi int, names ...string) []bool {
	for n, name := range names {
		text = strings.ReplaceAll(text, name, strconv.Itoa(n+lo))
	}
	out := make([]bool, hi+1)
	for item := range strings.SplitSeq(text, ",") {
		base, step, stepped := strings.Cut(item, "/")
		from, to := lo, hi
		if base != "*" && base != "?" {
			a, b, ranged := strings.Cut(base, "-")
			from, _ = strconv.Atoi(a)
			to = from
			if stepped {
				to = hi
			}
			if ranged {
				to, _ = strconv.Atoi(b)
			}
		}
		every := 1
		if stepped {
			every, _ = strconv.Atoi(step)
		}
		for v := lo; v <= hi; v++ {
			if v >= from && v <= to && (v-from)%every == 0 {
				out[v] = true
			}
		}
	}
	return out
}

// refDOM tells whether one item of the day-of-month field names the date.
func refDOM(item string, d time.Time) bool {
	lastDay := time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	nearest := func(n int) bool {
		if n < 1 || n > lastDay {
			return false
		}
		// The nearest of all working days of this month, the earlier one if two
		// are as near: that is Friday for a Saturday, Monday for a Sunday.
		best, distance := 0, 99
		for _, delta := range []int{0, -1, 1, -2, 2} {
			day := n + delta
			if day < 1 || day > lastDay {
				continue
			}
			w := time.Date(d.Year(), d.Month(), day, 0, 0, 0, 0, time.UTC).Weekday()
			if w != time.Saturday && w != time.Sunday && max(delta, -delta) < distance {
				best, distance = day, max(delta, -delta)
			}
		}
		return d.Day() == best
	}
	switch {
	case item == "L":
		return d.Day() == lastDay
	case item == "LW":
		return nearest(lastDay)
	case strings.HasPrefix(item, "L-"):
		n, _ := strconv.Atoi(item[2:])
		return d.Day() == lastDay-n
	case strings.HasSuffix(item, "W"):
		n, _ := strconv.Atoi(item[:len(item)-1])
		return nearest(n)
	}
	return refValues(item, 1, 31)[d.Day()]
}

// refDOW is refDOM for the day of the week.
func refDOW(item string, d time.Time) bool {
	names := []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
	day := func(text string) time.Weekday {
		if n := slices.Index(names, text); n >= 0 {
			return time.Weekday(n)
		}
		n, _ := strconv.Atoi(text)
		return time.Weekday(n % 7)
	}
	if a, n, ok := strings.Cut(item, "#"); ok && n != "L" {
		k, _ := strconv.Atoi(n)
		return d.Weekday() == day(a) && (d.Day()-1)/7 == k-1
	}
	if a, ok := strings.CutSuffix(strings.Replace(item, "#", "", 1), "L"); ok {
		return d.Weekday() == day(a) && d.AddDate(0, 0, 7).Month() != d.Month()
	}
	set := refValues(item, 0, 7, names...)
	return set[d.Weekday()] || d.Weekday() == time.Sunday && set[7]
}

type refSpec struct {
	expr string
	dst  DST

	seconds, minutes, hours, months []bool
	dom, dow, year                  string
	and                             bool
	wild                            bool
	dates                           map[int64]bool // by day number, filled as needed
}

func newRef(expr string, dst DST) *refSpec {
	f := strings.Fields(expr)
	r := &refSpec{expr: expr, dst: dst, dates: map[int64]bool{}}
	if len(f) == 5 {
		f = append([]string{"0"}, f...)
	}
	if len(f) == 7 {
		r.year = f[6]
	}
	r.seconds, r.minutes, r.hours = refValues(f[0], 0, 59), refValues(f[1], 0, 59), refValues(f[2], 0, 23)
	r.months = refValues(f[4], 1, 12, "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
	r.dom = f[3]
	r.dow, r.and = strings.CutPrefix(f[5], "+")
	for _, text := range f[:3] {
		r.wild = r.wild || text[0] == '*'
	}
	return r
}

func (r *refSpec) date(day int64) bool {
	if yes, known := r.dates[day]; known {
		return yes
	}
	d := time.Unix(day*86400, 0).UTC()
	match := func(text string, item func(string, time.Time) bool) bool {
		return slices.ContainsFunc(strings.Split(text, ","), func(i string) bool { return item(i, d) })
	}
	free := func(text string) bool { return text == "*" || text == "?" }
	var yes bool
	switch inMonth, inWeek := match(r.dom, refDOM), match(r.dow, refDOW); {
	case r.and || free(r.dom) || free(r.dow):
		yes = inMonth && inWeek
	default:
		yes = inMonth || inWeek
	}
	yes = yes && r.months[d.Month()]
	if r.year != "" && yes {
		yes = d.Year() <= 2199 && refValues(r.year, 1970, 2199)[d.Year()]
	}
	r.dates[day] = yes
	return yes
}

func (r *refSpec) matches(l int64) bool {
	day := (l - mod(l, 86400)) / 86400
	s := mod(l, 86400)
	return r.hours[s/3600] && r.minutes[s/60%60] && r.seconds[s%60] && r.date(day)
}

func mod(a, b int64) int64 { return ((a % b) + b) % b }

// wall is what the clocks of a zone show in a stretch of time.
type wall struct {
	start, unit int64
	shown       []int64 // by step from start
	first, last map[int64]int32
	repeated    bool
}

// walk asks the zone for every step. Only what is shown twice is kept in maps.
func walk(zone *time.Location, from, to time.Time, unit int64) *wall {
	w := &wall{start: from.Unix(), unit: unit}
	n := int((to.Unix() - w.start) / unit)
	w.shown = make([]int64, n)
	w.first, w.last = map[int64]int32{}, map[int64]int32{}
	highest := int64(-1 << 62)
	for i := range n {
		t := time.Unix(w.start+int64(i)*unit, 0).In(zone)
		_, offset := t.Zone()
		l := t.Unix() + int64(offset)
		w.shown[i] = l
		if l <= highest {
			w.repeated = true
		}
		highest = max(highest, l)
	}
	if !w.repeated {
		return w
	}
	// Whatever is shown within two days of a jump back is put into the maps.
	mark := make([]bool, n)
	span := int(2 * 86400 / unit)
	for i := 1; i < n; i++ {
		if w.shown[i] < w.shown[i-1] {
			for k := max(0, i-span); k < min(n, i+span); k++ {
				mark[k] = true
			}
		}
	}
	for i, l := range w.shown {
		if mark[i] {
			if _, ok := w.first[l]; !ok {
				w.first[l] = int32(i)
			}
			w.last[l] = int32(i)
		}
	}
	return w
}

// fires returns the instants of an expression in the stretch, in order.
func (r *refSpec) fires(w *wall) []int64 {
	var out []int64
	add := func(i int) {
		if u := w.start + int64(i)*w.unit; len(out) == 0 || out[len(out)-1] != u {
			out = append(out, u)
		}
	}
	for i, l := range w.shown {
		if i > 0 && l > w.shown[i-1]+w.unit {
			missing := l - w.shown[i-1] - w.unit
			for x := w.shown[i-1] + w.unit; x < l && missing <= 3*3600 && !r.wild && r.dst.Gap != GapSkip; x += w.unit {
				if _, shown := w.first[x]; !shown && r.matches(x) {
					add(i)
				}
			}
		}
		if !r.matches(l) {
			continue
		}
		first, ok := w.first[l]
		only := r.dst.Overlap
		if only == OverlapAuto && !r.wild {
			only = OverlapFirst
		}
		if ok && (only == OverlapFirst && first != int32(i) || only == OverlapSecond && w.last[l] != int32(i)) {
			continue
		}
		add(i)
	}
	return out
}

// compare checks Next and Prev of an expression against the reference in a
// stretch of time. Its edges, where the reference does not see what comes
// before and after, are left out.
func compare(t fataler, zone *time.Location, r *refSpec, w *wall) {
	t.Helper()
	e, err := Parse(r.expr, Options{Zone: zone, DST: r.dst})
	if err != nil {
		t.Fatalf("%s: %v", r.expr, err)
	}
	from, to := w.start+2*86400, w.start+int64(len(w.shown))*w.unit-2*86400
	var want []int64
	for _, u := range r.fires(w) {
		if u > from && u < to {
			want = append(want, u)
		}
	}
	var forth, back []int64
	for n, ok := e.Cron.Next(time.Unix(from, 0)); ok && n.At.Unix() < to; n, ok = e.Cron.Next(n.At) {
		forth = append(forth, n.At.Unix())
	}
	for n, ok := e.Cron.Prev(time.Unix(to, 0)); ok && n.At.Unix() > from; n, ok = e.Cron.Prev(n.At) {
		back = append(back, n.At.Unix())
	}
	slices.Reverse(back)
	for name, got := range map[string][]int64{"Next": forth, "Prev": back} {
		if slices.Equal(got, want) {
			continue
		}
		for i := 0; i < max(len(got), len(want)); i++ {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				show := func(l []int64) string {
					if i >= len(l) {
						return "nothing"
					}
					return time.Unix(l[i], 0).In(zone).Format(time.RFC3339)
				}
				t.Fatalf("%s in %s (%+v): %s yields %s, the reference %s (%d and %d in all)", r.expr, zone, r.dst, name, show(got), show(want), len(got), len(want))
			}
		}
	}
}
