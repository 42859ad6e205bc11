package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Dialect is a way to write cron expressions.
type Dialect string

// The dialects. Quartz counts weekdays from 1 = Sunday to 7 = Saturday and
// wants six or seven fields; "" is Standard.
const (
	Standard Dialect = "standard"
	Quartz   Dialect = "quartz"
)

// DSTGap says what becomes of local times that a change of the clock leaves out.
type DSTGap string

// The answers. GapAuto, "": an expression whose second, minute or hour begins
// with "*" leaves them out, any other fires once at the first instant after the
// gap. GapSkip leaves them out in any case.
const (
	GapAuto DSTGap = ""
	GapSkip DSTGap = "skip"
)

// DSTOverlap says at which instants a local time fires that occurs twice.
type DSTOverlap string

// The answers. OverlapAuto, "": both if the second, minute or hour begins with
// "*", otherwise the first.
const (
	OverlapAuto   DSTOverlap = ""
	OverlapFirst  DSTOverlap = "first"
	OverlapSecond DSTOverlap = "second"
	OverlapBoth   DSTOverlap = "both"
)

// DST is how changes of the clock are treated. The zero value is the rule.
type DST struct {
	Gap     DSTGap
	Overlap DSTOverlap
}

// Options are what an expression is read with. The zero value is the standard
// dialect in UTC.
type Options struct {
	Dialect Dialect
	// Zone is where the expression's times are local; nil = the zone that
	// CRON_TZ= in the expression names, else UTC.
	Zone *time.Location
	// HashSeed decides what H stands for: the schedule's id.
	HashSeed string
	DST      DST
}

// maxExpression bounds the bytes of an expression.
const maxExpression = 256

// Expression is what a text means: exactly one of the three is set.
type Expression struct {
	Cron *Cron
	// Every is the duration of "@every d": the text is an interval, not cron.
	Every time.Duration
	// Reboot is "@reboot": once per start of the server.
	Reboot bool
}

func macro(name string) string {
	switch name {
	case "@yearly", "@annually":
		return "0 0 1 1 *"
	case "@monthly":
		return "0 0 1 * *"
	case "@weekly":
		return "0 0 * * 0"
	case "@daily", "@midnight":
		return "0 0 * * *"
	case "@hourly":
		return "0 * * * *"
	}
	return ""
}

// Parse reads an expression. The error is a *SyntaxError, or a *fault.Error if
// the options themselves are wrong.
func Parse(text string, o Options) (Expression, error) {
	if err := o.check(); err != nil {
		return Expression{}, err
	}
	p := parser{text: text, seed: o.HashSeed, quartz: o.Dialect == Quartz}
	if len(text) > maxExpression {
		return Expression{}, p.errorAt(maxExpression, "", fmt.Sprintf("the expression is longer than %d characters", maxExpression),
			"use several expressions; their times are united")
	}
	words := p.words()
	zone, words, err := p.zone(words, o.Zone)
	if err != nil {
		return Expression{}, err
	}
	if len(words) > 0 && strings.HasPrefix(words[0].text, "@") {
		return p.macro(words, zone, o)
	}
	lists, err := p.fields(words)
	if err != nil {
		return Expression{}, err
	}
	return Expression{Cron: newCron(lists, p.and, zone, o.DST)}, nil
}

func (o Options) check() error {
	switch o.Dialect {
	case "", Standard, Quartz:
	default:
		return fault.Newf(fault.TriggerInvalid, "no cron dialect %q", o.Dialect).WithHint("use standard or quartz")
	}
	return o.DST.check()
}

func (d DST) check() error {
	switch d.Gap {
	case GapAuto, GapSkip:
	default:
		return fault.Newf(fault.TriggerInvalid, "dst_gap cannot be %q", d.Gap).WithHint("use skip or leave it out")
	}
	switch d.Overlap {
	case OverlapAuto, OverlapFirst, OverlapSecond, OverlapBoth:
	default:
		return fault.Newf(fault.TriggerInvalid, "dst_overlap cannot be %q", d.Overlap).WithHint("use first, second or both, or leave it out")
	}
	return nil
}

// LoadZone finds a zone by its IANA name. The server's own zone has no name
// here: "" and "Local" are refused. The error is a fault, zone_unknown.
func LoadZone(name string) (*time.Location, error) {
	if name != "" && name != "Local" {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, fault.Newf(fault.ZoneUnknown, "no time zone %q", name).WithHint("use an IANA name such as Europe/Paris, Asia/Seoul or UTC")
}

// word is a part of the text; at is its offset in bytes.
type word struct {
	text string
	at   int
}

type parser struct {
	text, seed string
	quartz     bool
	and        bool // "+" stood before the day of the week
}

// errorAt makes an error that points at an offset of the text.
func (p *parser) errorAt(at int, item, reason, suggestion string) *SyntaxError {
	return &SyntaxError{Column: column(p.text, at), Item: item, Reason: reason, Suggestion: suggestion}
}

const blanks = " \t\r\n"

func (p *parser) words() []word {
	var words []word
	start := -1
	for n := 0; n <= len(p.text); n++ {
		blank := n == len(p.text) || strings.IndexByte(blanks, p.text[n]) >= 0
		if blank && start >= 0 {
			words = append(words, word{p.text[start:n], start})
			start = -1
		} else if !blank && start < 0 {
			start = n
		}
	}
	return words
}

// zone takes CRON_TZ=Name from the front. It may repeat the given zone, not
// contradict it.
func (p *parser) zone(words []word, given *time.Location) (*time.Location, []word, error) {
	fallback := given
	if given == nil {
		fallback = time.UTC
	}
	if len(words) == 0 {
		return fallback, words, nil
	}
	w := words[0]
	key, name, found := strings.Cut(w.text, "=")
	if !found {
		return fallback, words, nil
	}
	at := w.at + len(key) + 1
	if strings.EqualFold(key, "TZ") {
		return nil, nil, p.errorAt(w.at, w.text, "TZ= is not known", "write CRON_TZ="+name)
	}
	if key != "CRON_TZ" {
		return nil, nil, p.errorAt(w.at, w.text, fmt.Sprintf("%q is not a field", w.text), "only CRON_TZ=Zone may stand before the fields")
	}
	zone, err := LoadZone(name)
	if err != nil {
		return nil, nil, p.errorAt(at, name, fmt.Sprintf("no time zone %q", name), "use an IANA name such as Europe/Paris or UTC")
	}
	if given != nil && given.String() != zone.String() {
		return nil, nil, p.errorAt(at, name, fmt.Sprintf("CRON_TZ=%s contradicts the time zone %s", name, given),
			"leave CRON_TZ= out, or make both the same")
	}
	return zone, words[1:], nil
}

func (p *parser) macro(words []word, zone *time.Location, o Options) (Expression, error) {
	name := strings.ToLower(words[0].text)
	rest := words[1:]
	if name == "@every" {
		if len(rest) == 0 {
			return Expression{}, p.errorAt(len(p.text), "", "@every needs a duration", "write for example @every 90m")
		}
		d, ok := parseDuration(rest[0].text)
		if !ok || d < minEvery || d%time.Millisecond != 0 {
			return Expression{}, p.errorAt(rest[0].at, rest[0].text, fmt.Sprintf("%q is not a duration of a second or more", rest[0].text),
				"write for example 90m, 1h30m or PT15M")
		}
		if len(rest) > 1 {
			return Expression{}, p.errorAt(rest[1].at, rest[1].text, "nothing may follow the duration", "write for example @every 1h30m, without spaces")
		}
		return Expression{Every: d}, nil
	}
	fields := macro(name)
	if fields == "" && name != "@reboot" {
		err := p.errorAt(words[0].at, words[0].text, fmt.Sprintf("no macro %s", words[0].text),
			"the macros are @yearly @annually @monthly @weekly @daily @midnight @hourly @every @reboot")
		err.Kind = WrongMacro
		return Expression{}, err
	}
	if len(rest) > 0 {
		return Expression{}, p.errorAt(rest[0].at, rest[0].text, fmt.Sprintf("nothing may follow %s", name), "remove it")
	}
	if name == "@reboot" {
		return Expression{Reboot: true}, nil
	}
	m := parser{text: fields}
	lists, err := m.fields(m.words())
	if err != nil {
		return Expression{}, err
	}
	return Expression{Cron: newCron(lists, false, zone, o.DST)}, nil
}

// fields reads five to seven fields. What was not written is nil.
func (p *parser) fields(words []word) ([fieldCount]list, error) {
	var lists [fieldCount]list
	least := 5
	wants := "5 fields (minute hour day month weekday), 6 with leading seconds, 7 with a trailing year"
	if p.quartz {
		least = 6
		wants = "6 fields (second minute hour day month weekday), 7 with a trailing year"
	}
	if n := len(words); n < least || n > 7 {
		at, item := len(strings.TrimRight(p.text, blanks)), ""
		if n > 7 {
			at, item = words[7].at, words[7].text
		}
		suggestion := "write " + wants
		if n == 1 && macro("@"+strings.ToLower(words[0].text)) != "" {
			at, item, suggestion = words[0].at, words[0].text, "write @"+strings.ToLower(words[0].text)
		}
		noun := "fields"
		if n == 1 {
			noun = "field"
		}
		return lists, p.errorAt(at, item, fmt.Sprintf("the expression has %d %s", n, noun), suggestion)
	}
	f := minuteField
	if len(words) > 5 {
		f = secondField
	}
	for _, w := range words {
		var err error
		if lists[f], err = p.list(f, w); err != nil {
			return lists, err
		}
		f++
	}
	return lists, nil
}
