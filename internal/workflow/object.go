package workflow

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/workflow/source"
)

// object reads the fields of a map, one by one; done reports those that nobody
// asked for.
type object struct {
	v     *source.Value
	what  string // how people call it
	node  string
	p     *Problems
	asked []string
}

func (p *Problems) object(v *source.Value, what, node string) *object {
	if v == nil {
		v = &source.Value{Kind: source.Map}
	} else if v.Kind != source.Map {
		p.at(v.Pos, node, ruleObject, what, v.Kind)
		v = &source.Value{Kind: source.Map, Pos: v.Pos}
	}
	return &object{v: v, what: what, node: node, p: p}
}

func (o *object) get(name string) *source.Value {
	o.asked = append(o.asked, name)
	v := o.v.Get(name)
	if v != nil && v.Kind == source.Null {
		return nil
	}
	return v
}

// at is where a key is, or the object if it is not there.
func (o *object) at(name string) source.Pos {
	for _, p := range o.v.Pairs {
		if p.Key == name {
			return p.Pos
		}
	}
	return o.v.Pos
}

func (o *object) of(name string, kind source.Kind) *source.Value {
	v := o.get(name)
	if v == nil {
		return nil
	}
	if v.Kind != kind {
		o.p.at(v.Pos, o.node, ruleType, name, formOf(kind), v.Kind)
		return nil
	}
	return v
}

func (o *object) str(name string) string {
	if v := o.of(name, source.String); v != nil {
		return v.Str
	}
	return ""
}

// oneOf reads a word from a list; the first word is the default.
func (o *object) oneOf(name string, words ...string) string {
	v := o.get(name)
	if v == nil {
		return words[0]
	}
	if v.Kind != source.String || !slices.Contains(words, v.Str) {
		o.p.near(spot{v.Pos, o.node, ruleValue}, v.Str, words, name, strings.Join(words, ", "))
		return words[0]
	}
	return v.Str
}

func (o *object) integer(name string, def, low, high int) int {
	v := o.get(name)
	if v == nil {
		return def
	}
	if v.Kind != source.Int || v.Int < int64(low) || v.Int > int64(high) {
		o.p.at(v.Pos, o.node, ruleWhole, name, low, high)
		return def
	}
	return int(v.Int)
}

func (o *object) number(name string) *float64 {
	v := o.get(name)
	if v == nil {
		return nil
	}
	if v.Kind != source.Int && v.Kind != source.Float {
		o.p.at(v.Pos, o.node, ruleType, name, formNumber, v.Kind)
		return nil
	}
	return &v.Float
}

func (o *object) boolean(name string) bool {
	v := o.of(name, source.Bool)
	return v != nil && v.Bool
}

// duration reads one that is more than 0; 0 = it is not there.
func (o *object) duration(name string, most time.Duration) time.Duration {
	v := o.of(name, source.String)
	if v == nil {
		return 0
	}
	d, ok := ParseDuration(v.Str)
	switch {
	case !ok:
		o.p.at(v.Pos, o.node, ruleForm, name, formDuration)
	case d <= 0 || d > most:
		o.p.at(v.Pos, o.node, ruleLong, name, FormatDuration(most))
	default:
		return d
	}
	return 0
}

// list reads a list; one value stands for a list with it.
func (o *object) list(name string) []*source.Value {
	v := o.get(name)
	switch {
	case v == nil:
		return nil
	case v.Kind == source.List:
		return v.Items
	}
	return []*source.Value{v}
}

func (o *object) strings(name string) []*source.Value {
	var out []*source.Value
	for _, v := range o.list(name) {
		if v.Kind != source.String {
			o.p.at(v.Pos, o.node, ruleItems, name, formStrings, v.Kind)
			continue
		}
		out = append(out, v)
	}
	return out
}

// done reports what was not asked for.
func (o *object) done() {
	for _, pair := range o.v.Pairs {
		if !slices.Contains(o.asked, pair.Key) {
			o.p.near(spot{pair.Pos, o.node, ruleKey}, pair.Key, o.asked, o.what, pair.Key)
		}
	}
}

// ParseDuration reads 90s, 1h30m, 2d, and ISO 8601's PT15M, P1D and P2W; months and
// years have no fixed length and are refused.
func ParseDuration(text string) (time.Duration, bool) {
	if rest, ok := strings.CutPrefix(text, "P"); ok {
		return parseISO(rest)
	}
	if days, rest, ok := strings.Cut(text, "d"); ok {
		n, fine := units(days, 24*time.Hour)
		if !fine || rest == "" {
			return n, fine
		}
		more, err := time.ParseDuration(rest)
		return n + more, err == nil && more >= 0 && n <= math.MaxInt64-more
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

func units(digits string, unit time.Duration) (time.Duration, bool) {
	if digits == "" || len(digits) > 9 {
		return 0, false
	}
	n := time.Duration(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + time.Duration(c-'0')
	}
	if n > time.Duration(math.MaxInt64)/unit {
		return 0, false
	}
	return n * unit, true
}

func parseISO(text string) (time.Duration, bool) {
	date, clock, timed := strings.Cut(text, "T")
	if text == "" || timed && clock == "" {
		return 0, false
	}
	var sum time.Duration
	for date != "" {
		i := strings.IndexAny(date, "WD")
		if i < 0 {
			return 0, false
		}
		unit := 24 * time.Hour
		if date[i] == 'W' {
			unit *= 7
		}
		d, ok := units(date[:i], unit)
		if !ok || sum > math.MaxInt64-d {
			return 0, false
		}
		sum += d
		date = date[i+1:]
	}
	if clock == "" {
		return sum, true
	}
	if strings.ContainsAny(clock, "hmsnµu-+") {
		return 0, false
	}
	d, err := time.ParseDuration(strings.ToLower(clock))
	return sum + d, err == nil && sum <= math.MaxInt64-d
}

// FormatDuration writes a duration as short as ParseDuration reads it: 90s is 1m30s,
// 24h is 1d.
func FormatDuration(d time.Duration) string {
	text := ""
	if days := d / (24 * time.Hour); days > 0 {
		n := days
		digits := ""
		for ; n > 0; n /= 10 {
			digits = string(rune('0'+n%10)) + digits
		}
		text = digits + "d"
		if d -= days * 24 * time.Hour; d == 0 {
			return text
		}
	}
	rest := d.String()
	if strings.HasSuffix(rest, "m0s") {
		rest = strings.TrimSuffix(rest, "0s")
	}
	if strings.HasSuffix(rest, "h0m") {
		rest = strings.TrimSuffix(rest, "0m")
	}
	return text + rest
}
