package calendar

import (
	"math"
	"slices"
	"time"
)

// kind is what happens on a day. Many days share one.
type kind struct {
	session     bool
	clocks      clocks
	early, late bool
	// reason says why the day is not a regular one; "" if it is.
	reason string
}

// DayOff is the reason of a day that the week leaves out.
const DayOff = "no session on this day of the week"

// compiler finds what happens on each day of a definition's valid span.
type compiler struct {
	file string
	def  *definition
	// The effects found so far. off holds closures by rules.
	off, offAdhoc map[Date]*rule
	on, onAdhoc   map[Date]*rule
	early, late   map[Date]*rule
	// touched has the dates that any rule speaks of.
	touched map[Date]bool
}

// compile turns a definition into a calendar.
func compile(file string, def *definition) (*exchange, error) {
	c := &compiler{
		file: file, def: def,
		off: map[Date]*rule{}, offAdhoc: map[Date]*rule{}, on: map[Date]*rule{}, onAdhoc: map[Date]*rule{},
		early: map[Date]*rule{}, late: map[Date]*rule{}, touched: map[Date]bool{},
	}
	for _, pass := range [][]effect{{closed}, {session, open}, {early, late}} {
		for i := range def.rules {
			if r := &def.rules[i]; slices.Contains(pass, r.effect) {
				if err := c.apply(r); err != nil {
					return nil, err
				}
			}
		}
	}
	if def.valid == always {
		for d := range Date(7) { // each day of the week has its hours
			if _, ok := def.regular(d); def.workday(d) && !ok {
				return nil, lineFault(file, 1, "no hours for %v", d.Weekday())
			}
		}
		return &exchange{def: def}, nil
	}
	return c.fill()
}

// fill finds what happens on every day of the valid span.
func (c *compiler) fill() (*exchange, error) {
	x := &exchange{def: c.def, table: make([]uint16, 0, c.def.valid.to-c.def.valid.from+1)}
	index := map[kind]uint16{}
	// Days that no rule touches are alike on each day of the week, until other
	// hours begin.
	changes := c.def.changes()
	var regular [7]int
	for d := c.def.valid.from; d <= c.def.valid.to; d++ {
		if d == c.def.valid.from || changes[d] {
			regular = [7]int{-1, -1, -1, -1, -1, -1, -1}
		}
		plain := !c.touched[d]
		if plain && regular[d.Weekday()] >= 0 {
			x.table = append(x.table, uint16(regular[d.Weekday()]))
			continue
		}
		k, err := c.kind(d)
		if err != nil {
			return nil, err
		}
		i, known := index[k]
		if !known {
			if len(x.kinds) == math.MaxUint16 {
				return nil, lineFault(c.file, 1, "more than %d kinds of days", math.MaxUint16)
			}
			i = uint16(len(x.kinds))
			index[k], x.kinds = i, append(x.kinds, k)
		}
		if plain {
			regular[d.Weekday()] = int(i)
		}
		x.table = append(x.table, i)
	}
	return x, nil
}

// apply enters the dates of a rule.
func (c *compiler) apply(r *rule) error {
	for _, d := range c.dates(r) {
		if !c.def.valid.has(d) {
			if r.adhoc() {
				return lineFault(c.file, r.line, "%v is outside of the valid range", d)
			}
			continue
		}
		if !r.adhoc() {
			c.enter(r, d)
			continue
		}
		was, err := c.kind(d)
		if err != nil {
			return err
		}
		c.enter(r, d)
		if is, err := c.kind(d); err != nil {
			return err
		} else if was.session == is.session && was.clocks == is.clocks {
			what := "a session with these hours"
			if !was.session {
				what = "a day without session: " + was.reason
			}
			return lineFault(c.file, r.line, "%s changes nothing on %v, %v, %s", r.effect, d.Weekday(), d, what)
		}
	}
	return nil
}

// enter notes that r speaks of d.
func (c *compiler) enter(r *rule, d Date) {
	c.touched[d] = true
	var into map[Date]*rule
	switch r.effect {
	case closed:
		into = c.off
		if r.adhoc() {
			into = c.offAdhoc
		}
	case session, open:
		into = c.on
		if r.adhoc() {
			into = c.onAdhoc
		}
	case early:
		into = c.early
	case late:
		into = c.late
	}
	if had := into[d]; had != nil && (had.adhoc() && !r.adhoc() || r.effect == closed && !r.adhoc()) {
		return // ad hoc beats rules; the first closure gives the reason
	}
	into[d] = r
}

// dates lists the days of a rule.
func (c *compiler) dates(r *rule) []Date {
	if r.adhoc() {
		return r.dates
	}
	var all []Date
	add := func(d Date) {
		if !r.span.has(d) || slices.ContainsFunc(r.except, func(s span) bool { return s.has(d) }) {
			return
		}
		for _, shift := range r.shifts {
			if moved := d + Date(shift); r.only.has(moved.Weekday()) {
				all = append(all, c.observed(r.observe, moved))
			}
		}
	}
	if r.base == baseTable {
		for _, d := range r.dates {
			add(d)
		}
		return all
	}
	// A year more at both ends: a rule may move a date into another year.
	for year := c.def.valid.from.Year() - 1; year <= c.def.valid.to.Year()+1; year++ {
		if d, ok := r.in(year); ok {
			add(d)
		}
	}
	return all
}

// in returns the rule's date in a year, before any change.
func (r *rule) in(year int) (Date, bool) {
	switch r.base {
	case baseEaster:
		return easter(year), true
	case baseOrthodox:
		return orthodoxEaster(year), true
	case baseFixed:
		d := NewDate(year, r.month, r.day)
		_, m, _ := d.Split() // 29 February exists in leap years only
		return d, m == r.month
	case baseNth:
		first := onOrAfter(NewDate(year, r.month, 1), r.weekday)
		d := first + Date(7*(r.day-1))
		_, m, _ := d.Split()
		return d, m == r.month
	case baseLast:
		return onOrAfter(NewDate(year, r.month+1, 1), r.weekday) - 7, true
	case baseBefore:
		return onOrAfter(NewDate(year, r.month, r.day), r.weekday) - 7, true
	case baseFrom:
		return onOrAfter(NewDate(year, r.month, r.day), r.weekday), true
	case baseTable, baseOn:
	}
	return 0, false
}

// onOrAfter returns the first day from d on that is a w.
func onOrAfter(d Date, w time.Weekday) Date {
	return d + Date((int(w)-int(d.Weekday())+7)%7)
}

// reach bounds the search for another day.
const reach = 31

// observed moves a date.
func (c *compiler) observed(how observe, d Date) Date {
	w := d.Weekday()
	switch how {
	case observeAsIs:
	case observeNearest:
		if w == time.Saturday {
			return d - 1
		}
		if w == time.Sunday {
			return d + 1
		}
	case observeMonday:
		if w == time.Saturday {
			return d + 2
		}
		if w == time.Sunday {
			return d + 1
		}
	case observeSunday:
		if w == time.Sunday {
			return d + 1
		}
	case observeSundayFree, observeFree:
		if how == observeSundayFree && w != time.Sunday {
			return d
		}
		return c.search(d, +1, func(d Date) bool { return c.def.workday(d) && c.off[d] == nil })
	case observePrevious:
		return c.search(d, -1, c.isSession)
	case observeNext:
		return c.search(d, +1, c.isSession)
	}
	return d
}

func (c *compiler) search(d Date, step int, good func(Date) bool) Date {
	for i := range reach {
		if at := d + Date(i*step); good(at) {
			return at
		}
	}
	return d
}

// changes has the dates on which another week, other hours or another break
// begin to apply.
func (def *definition) changes() map[Date]bool {
	at := map[Date]bool{}
	for _, w := range def.weeks {
		at[w.span.from], at[w.span.to+1] = true, true
	}
	for _, list := range [][]hours{def.hours, def.breaks} {
		for _, h := range list {
			at[h.span.from], at[h.span.to+1] = true, true
		}
	}
	return at
}

// workday reports whether the week of d has sessions on its day.
func (def *definition) workday(d Date) bool {
	for _, w := range slices.Backward(def.weeks) {
		if w.span.has(d) {
			return w.days.has(d.Weekday())
		}
	}
	return false
}

// regular returns the hours that apply to d where no rule does.
func (def *definition) regular(d Date) (clocks, bool) {
	find := func(list []hours) *hours {
		for i := len(list) - 1; i >= 0; i-- {
			if h := &list[i]; h.span.has(d) && h.days.has(d.Weekday()) {
				return h
			}
		}
		return nil
	}
	h := find(def.hours)
	if h == nil {
		return clocks{}, false
	}
	k := clocks{open: h.open, close: h.close}
	if b := find(def.breaks); b != nil && !b.none {
		k.breakStart, k.breakEnd = b.open, b.close
	}
	return k, true
}

// status finds whether d has a session, and the rule that says so.
func (c *compiler) status(d Date) (bool, *rule) {
	for _, say := range []map[Date]*rule{c.offAdhoc, c.onAdhoc, c.off, c.on} {
		if r := say[d]; r != nil {
			return r.effect != closed, r
		}
	}
	return c.def.workday(d), nil
}

func (c *compiler) isSession(d Date) bool {
	is, _ := c.status(d)
	return is
}

// kind finds what happens on d, from all rules entered so far.
func (c *compiler) kind(d Date) (kind, error) {
	is, why := c.status(d)
	if !is {
		if why == nil {
			return kind{reason: DayOff}, nil
		}
		return kind{reason: why.reason}, nil
	}
	regular, ok := c.def.regular(d)
	line := 1
	k := kind{session: true, clocks: regular}
	if why != nil {
		k.reason, line = why.reason, why.line
		if why.effect == session {
			k.clocks, ok = why.clocks, true
		}
	}
	if !ok {
		return k, lineFault(c.file, line, "no hours for %v, %v", d.Weekday(), d)
	}
	// Special hours given for the very date stand above rules.
	fixed := why != nil && why.effect == session && why.adhoc()
	if r := c.early[d]; r != nil && (r.adhoc() || !fixed) {
		k.clocks.close, k.reason, line = r.clocks.close, r.reason, r.line
	}
	if r := c.late[d]; r != nil && (r.adhoc() || !fixed) {
		k.clocks.open, k.reason, line = r.clocks.open, r.reason, r.line
	}
	if why := k.clocks.settle(); why != "" {
		return k, lineFault(c.file, line, "%v: %s", d, why)
	}
	k.early, k.late = k.clocks.close < regular.close, k.clocks.open > regular.open
	return k, nil
}

// settle drops a break which the opening or closing makes void. It returns why
// the times are impossible; "" if they are not.
func (k *clocks) settle() string {
	if k.breakStart != k.breakEnd && (k.close <= k.breakStart || k.open >= k.breakEnd) {
		k.breakStart, k.breakEnd = 0, 0
	}
	if k.open >= k.close {
		return "closes before it opens"
	}
	if k.breakStart != k.breakEnd && (k.open >= k.breakStart || k.close <= k.breakEnd) {
		return "opens or closes within the break"
	}
	return ""
}
