package schedule

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Trigger is a compiled Spec. It is immutable and safe for concurrent use if
// its calendars are.
type Trigger struct {
	spec      Spec
	calendars Calendars
	sources   []source
	excluded  []*Cron
	reboot    bool
	// gaps are what searches towards the past and the future found out of Days last.
	// They save work and change no answer.
	gaps *[2]atomic.Pointer[gap]
}

// Compile checks a spec and makes it ready to be asked. Errors are a
// *SyntaxError, or a *fault.Error with the code trigger_invalid. A trigger that
// never fires is none; see Trigger.Never.
func Compile(spec Spec, calendars Calendars) (*Trigger, error) {
	if spec.Zone == nil {
		spec.Zone = zoneOf(spec)
	}
	t := &Trigger{spec: spec, calendars: calendars, gaps: new([2]atomic.Pointer[gap])}
	if err := t.check(); err != nil {
		return nil, err
	}
	var err error
	switch spec.Kind {
	case KindCron:
		err = t.addCron()
	case KindInterval:
		err = t.addInterval(spec.Interval)
	case KindAt:
		err = t.addMoments()
	case KindEvent:
		err = t.addEvents()
	case KindOn:
		if spec.On.Event == "" || spec.On.Delay < 0 {
			err = invalid("a trigger of the kind ON needs an event, and its delay is not negative")
		}
	default:
		err = fault.Newf(fault.TriggerInvalid, "no trigger kind %q", spec.Kind).WithHint("use CRON, INTERVAL, AT, EVENT or ON")
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// zoneOf is the zone of a spec that names none: that of CRON_TZ= in its first
// expression, else UTC. Whatever follows there may be an interval, or wrong: that
// is for Parse to say.
func zoneOf(s Spec) *time.Location {
	if s.Kind == KindCron && len(s.Cron.Expressions) > 0 {
		p := parser{text: s.Cron.Expressions[0]}
		if zone, _, err := p.zone(p.words(), nil); err == nil {
			return zone
		}
	}
	return time.UTC
}

func invalid(detail string) error { return fault.New(fault.TriggerInvalid, detail) }

// check looks at what all kinds share.
func (t *Trigger) check() error {
	s := t.spec
	if err := s.DST.check(); err != nil {
		return err
	}
	switch s.OnNonSession {
	case SkipNominal, NextSession, PreviousSession:
	default:
		return fault.Newf(fault.TriggerInvalid, "on_non_session cannot be %q", s.OnNonSession).WithHint("use skip, next_session or previous_session")
	}
	switch s.OnlyIn {
	case Anywhere, InSession, InRegularHours, OutsideHours:
	default:
		return fault.Newf(fault.TriggerInvalid, "only_in cannot be %q", s.OnlyIn).WithHint("use session, regular_hours or outside_hours")
	}
	switch {
	case s.OnlyIn != Anywhere && t.calendars.Hours == nil:
		return invalid("only_in needs a calendar with sessions")
	case s.OnNonSession != SkipNominal && t.calendars.Days == nil:
		return invalid("on_non_session needs a calendar")
	case !s.StartAt.IsZero() && !s.EndAt.IsZero() && !s.EndAt.After(s.StartAt):
		return invalid("end_at is not after start_at")
	}
	for _, text := range s.Exclude.Cron {
		e, err := t.parse(text)
		if err != nil {
			return err
		}
		if e.Cron == nil {
			return fault.Newf(fault.TriggerInvalid, "%q cannot exclude anything", text).WithHint("use a cron expression with fields")
		}
		t.excluded = append(t.excluded, e.Cron)
	}
	return nil
}

func (t *Trigger) parse(text string) (Expression, error) {
	s := t.spec
	e, err := Parse(text, Options{Dialect: s.Cron.Dialect, Zone: s.Zone, HashSeed: s.Cron.HashSeed, DST: s.DST})
	if wrong := (*SyntaxError)(nil); errors.As(err, &wrong) {
		wrong.Text = text
	}
	return e, err
}

func (t *Trigger) addCron() error {
	if len(t.spec.Cron.Expressions) == 0 {
		return fault.New(fault.TriggerInvalid, "a trigger of the kind CRON needs an expression").WithHint("write for example 0 9 * * MON-FRI")
	}
	for _, text := range t.spec.Cron.Expressions {
		e, err := t.parse(text)
		if err != nil {
			return err
		}
		switch {
		case e.Cron != nil:
			t.sources = append(t.sources, e.Cron)
		case e.Reboot:
			t.reboot = true
		default:
			if err := t.addInterval(IntervalSpec{Every: e.Every}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *Trigger) addInterval(s IntervalSpec) error {
	switch {
	case s.Every < minEvery || s.Every%time.Millisecond != 0:
		return invalid("an interval is at least a second, in whole milliseconds")
	case s.Mode != FixedRate && s.Mode != AfterCompletion:
		return fault.Newf(fault.TriggerInvalid, "an interval's mode cannot be %q", s.Mode).WithHint("use after_completion or leave it out")
	case s.Mode == AfterCompletion:
		return nil
	}
	i := interval{every: s.Every.Milliseconds(), zone: t.spec.Zone}
	if !s.Anchor.IsZero() {
		i.anchor = s.Anchor.UnixMilli()
	}
	t.sources = append(t.sources, i)
	return nil
}

func (t *Trigger) addMoments() error {
	if len(t.spec.At.Instants)+len(t.spec.At.Locals) == 0 {
		return invalid("a trigger of the kind AT needs at least one time")
	}
	var m moments
	for _, at := range t.spec.At.Instants {
		m = append(m, Nominal{At: at.UTC(), Zone: t.spec.Zone})
	}
	for _, l := range t.spec.At.Locals {
		m = append(m, local(t.spec.Zone, l, t.spec.DST)...)
	}
	slices.SortFunc(m, func(a, b Nominal) int { return a.At.Compare(b.At) })
	t.sources = append(t.sources, m.merged())
	return nil
}

// Spec returns what the trigger was compiled from.
func (t *Trigger) Spec() Spec { return t.spec }

// Reboot tells whether the trigger also fires once per start of the server.
func (t *Trigger) Reboot() bool { return t.reboot }

// With returns the trigger with further nominals, which are in order.
func (t *Trigger) With(list []Nominal) *Trigger {
	n := *t
	n.sources = append(slices.Clip(slices.Clone(t.sources)), moments(list))
	return &n
}

// Next returns the first nominal strictly after the given time, also one that
// is skipped; false if there is none.
func (t *Trigger) Next(after time.Time) (Nominal, bool) {
	if start := t.spec.StartAt; !start.IsZero() && after.Before(start) {
		after = start.Add(-1)
	}
	n, ok := t.nextPlaced(after)
	if end := t.spec.EndAt; !ok || !end.IsZero() && !n.At.Before(end) {
		return Nominal{}, false
	}
	return t.judged(n), true
}

// Prev returns the last nominal strictly before the given time, also one that
// is skipped; false if there is none.
func (t *Trigger) Prev(before time.Time) (Nominal, bool) {
	if end := t.spec.EndAt; !end.IsZero() && before.After(end) {
		before = end
	}
	n, ok := t.prevPlaced(before)
	if start := t.spec.StartAt; !ok || !start.IsZero() && n.At.Before(start) {
		return Nominal{}, false
	}
	return t.judged(n), true
}

// maxSkips bounds how many skipped nominals NextFiring passes over. A date or
// a session that is skipped as a whole counts once. For a trigger of many parts,
// each of which is asked for each nominal, it is fewer.
const maxSkips = 10_000

// NextFiring returns the first nominal strictly after the given time that is
// not skipped; false if there is none among the next ten thousand, or, for a
// trigger of many expressions and calendars, among as many as take the same time.
func (t *Trigger) NextFiring(after time.Time) (Nominal, bool) {
	parts := max(1, len(t.sources)+len(t.excluded)+len(t.calendars.Exclude))
	for range max(maxSkips*4/(3+parts), 1000) {
		n, ok := t.Next(after)
		if !ok || n.Skip == "" {
			return n, ok
		}
		after = t.resume(n)
	}
	return Nominal{}, false
}

// Never tells whether a trigger that should have nominals has none after the
// given time.
func (t *Trigger) Never(after time.Time) bool {
	if t.reboot || t.spec.Kind == KindOn || t.spec.Kind == KindInterval && t.spec.Interval.Mode == AfterCompletion {
		return false
	}
	_, ok := t.Next(after)
	return !ok
}

// AfterRun returns the nominal that follows a run which ended at end, for an
// interval with the mode after_completion; false for all other triggers and
// when end_at has come.
func (t *Trigger) AfterRun(end time.Time) (Nominal, bool) {
	s := t.spec
	if s.Kind != KindInterval || s.Interval.Mode != AfterCompletion {
		return Nominal{}, false
	}
	at := end.Add(s.Interval.Every).Truncate(time.Millisecond)
	if at.Before(s.StartAt) {
		at = s.StartAt
	}
	if !s.EndAt.IsZero() && !at.Before(s.EndAt) {
		return Nominal{}, false
	}
	return t.judged(Nominal{At: at.UTC(), Zone: s.Zone}), true
}

// next is the union of the sources.
func (t *Trigger) next(after time.Time) (Nominal, bool) {
	var best Nominal
	found := false
	for _, s := range t.sources {
		if n, ok := s.Next(after); ok {
			best, found = earliest(best, found, n), true
		}
	}
	return best, found
}

func (t *Trigger) prev(before time.Time) (Nominal, bool) {
	var best Nominal
	found := false
	for _, s := range t.sources {
		if n, ok := s.Prev(before); ok {
			best, found = latest(best, found, n), true
		}
	}
	return best, found
}

// earliest returns the earlier of best, if there is one, and n. Equal instants
// merge.
func earliest(best Nominal, found bool, n Nominal) Nominal {
	switch {
	case !found || n.At.Before(best.At):
		return n
	case n.At.Equal(best.At):
		return merge(best, n)
	}
	return best
}

func latest(best Nominal, found bool, n Nominal) Nominal {
	switch {
	case !found || n.At.After(best.At):
		return n
	case n.At.Equal(best.At):
		return merge(best, n)
	}
	return best
}

// merge makes one nominal of two at the same instant. It was moved to a session
// only if both were.
func merge(a, b Nominal) Nominal {
	moved := a.Marks & b.Marks & SessionMoved
	a.Marks = (a.Marks|b.Marks)&^SessionMoved | moved
	if b.Skip == "" {
		a.Skip = ""
	}
	return a
}
