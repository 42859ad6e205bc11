package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// list reads one field: items separated by commas.
func (p *parser) list(f field, w word) (list, error) {
	if f == dowField && strings.HasPrefix(w.text, "+") {
		p.and = true
		w = word{w.text[1:], w.at + 1}
	}
	var l list
	at := w.at
	for text := range strings.SplitSeq(w.text, ",") {
		if text == "?" && text != w.text {
			return nil, p.errorAt(at, text, `"?" stands alone in its field`, `write "*" or leave it out of the list`)
		}
		i, err := p.item(f, word{strings.ToUpper(text), at})
		if err != nil {
			return nil, err
		}
		l = append(l, i)
		at += len(text) + 1
	}
	return l, nil
}

// item reads one element of a list, in capital letters.
func (p *parser) item(f field, w word) (item, error) {
	rule := fieldRules[f]
	switch {
	case w.text == "":
		return item{}, p.errorAt(w.at, "", rule.noun()+" is missing", p.values(f))
	case w.text[0] == '+' || w.text[0] == '-':
		suggestion := p.values(f) + " without a sign"
		if w.text[0] == '+' {
			suggestion += "; only the day of the week may begin with +"
		}
		return item{}, p.errorAt(w.at, w.text, fmt.Sprintf("%q has a sign", w.text), suggestion)
	}
	base, stepText, stepped := strings.Cut(w.text, "/")
	step := 0
	if stepped {
		var err error
		if step, err = p.step(f, word{stepText, w.at + len(base) + 1}); err != nil {
			return item{}, err
		}
	}
	b := word{base, w.at}
	i, special, err := p.special(f, b, step)
	if err != nil {
		return item{}, err
	}
	if special {
		if stepped && i.kind != allItem && i.kind != spanItem {
			return item{}, p.errorAt(w.at+len(base), w.text[len(base):], fmt.Sprintf("%s takes no step", base), "remove it")
		}
		return i, nil
	}
	return p.plain(f, b, step)
}

// step reads what follows a slash.
func (p *parser) step(f field, w word) (int, error) {
	rule := fieldRules[f]
	n, ok := number(w.text)
	switch {
	case w.text == "":
		return 0, p.errorAt(w.at, "", "the step is missing", "write a number after the slash")
	case w.text[0] == '-' || w.text[0] == '+':
		return 0, p.errorAt(w.at, w.text, fmt.Sprintf("the step %q has a sign", w.text), "write a number without a sign")
	case !ok:
		return 0, p.errorAt(w.at, w.text, fmt.Sprintf("%q is not a step", w.text), "write a number after the slash")
	case n == 0:
		return 0, p.errorAt(w.at, w.text, "the step is 0", "write 1 or more")
	case n > rule.size:
		suggestion := fmt.Sprintf("write at most %d", rule.size)
		switch f {
		case secondField:
			suggestion += fmt.Sprintf("; for an interval write @every %ds", n)
		case minuteField:
			suggestion += fmt.Sprintf("; for an interval write @every %dm", n)
		case hourField:
			suggestion += fmt.Sprintf("; for an interval write @every %dh", n)
		case domField, monthField, dowField, yearField, fieldCount:
		}
		return 0, p.errorAt(w.at, w.text, fmt.Sprintf("the step %s is larger than the field, which has %d values", w.text, rule.size), suggestion)
	}
	return n, nil
}

// special reads what is neither a value nor a span.
func (p *parser) special(f field, w word, step int) (item, bool, error) {
	text := w.text
	switch {
	case text == "*":
		return item{step: step}, true, nil
	case text == "?":
		if f != domField && f != dowField {
			return item{}, false, p.errorAt(w.at, "?", `"?" is for days only`, `write "*"`)
		}
		if step > 0 {
			return item{}, false, p.errorAt(w.at, "?", `"?" takes no step`, `write "*"`)
		}
		return item{}, true, nil
	case text == "H" || strings.HasPrefix(text, "H("):
		i, err := p.hashed(f, w, step)
		return i, true, err
	case f == domField && strings.HasPrefix(text, "L"):
		i, err := p.lastDay(w)
		return i, true, err
	case f == domField && strings.HasSuffix(text, "W"):
		if text == "W" {
			return item{}, false, p.errorAt(w.at, text, "W needs a day before it", "write 15W, or LW for the last weekday")
		}
		if strings.Contains(text, "-") {
			return item{}, false, p.errorAt(w.at, text, "W goes with one day, not with a range", "write each day, such as 1W,15W")
		}
		n, err := p.value(f, word{text[:len(text)-1], w.at}, false)
		return item{kind: nearItem, a: n}, true, err
	case f == dowField && strings.Contains(text, "#"):
		i, err := p.nth(w)
		return i, true, err
	case f == dowField && text == "L":
		if p.quartz {
			return item{kind: valueItem, a: 6}, true, nil
		}
		return item{}, false, p.errorAt(w.at, text, "L needs a weekday before it", "write 6 for Saturday, 5L for the month's last Friday, or L in the day of the month")
	case f == dowField && strings.HasSuffix(text, "L"):
		if strings.Contains(text, "-") {
			return item{}, false, p.errorAt(w.at, text, "L goes with one weekday, not with a range", "write each weekday, such as 1L,5L")
		}
		n, err := p.value(f, word{text[:len(text)-1], w.at}, false)
		return item{kind: lastDowItem, a: n % 7}, true, err
	}
	return item{}, false, nil
}

// lastDay reads L, L-n, LW and L-nW.
func (p *parser) lastDay(w word) (item, error) {
	i := item{kind: lastItem}
	rest := w.text[1:]
	if strings.HasSuffix(rest, "W") {
		i.kind = lastWeekday
		rest = rest[:len(rest)-1]
	}
	if rest == "" {
		return i, nil
	}
	n, ok := number(strings.TrimPrefix(rest, "-"))
	if rest[0] != '-' || !ok || n > 30 {
		return i, p.errorAt(w.at, w.text, fmt.Sprintf("%q is not a day of the month", w.text),
			"write L for the last day, L-3 for the third before it (0-30), LW for the last weekday")
	}
	i.a = n
	return i, nil
}

// nth reads d#n and d#L.
func (p *parser) nth(w word) (item, error) {
	day, which, _ := strings.Cut(w.text, "#")
	if strings.Contains(day, "-") {
		return item{}, p.errorAt(w.at, w.text, "# goes with one weekday, not with a range", "write each weekday, such as 1#2,5#2")
	}
	d, err := p.value(dowField, word{day, w.at}, false)
	if err != nil {
		return item{}, err
	}
	if which == "L" {
		return item{kind: lastDowItem, a: d % 7}, nil
	}
	n, ok := number(which)
	if !ok || n < 1 || n > 5 {
		return item{}, p.errorAt(w.at+len(day)+1, which, fmt.Sprintf("%q is not a number from 1 to 5", which),
			"write 1#2 for the second Monday of the month, 1#L for the last")
	}
	return item{kind: nthItem, a: d % 7, b: n}, nil
}

// hashed reads H, H/n, H(a-b) and H(a-b)/n.
func (p *parser) hashed(f field, w word, step int) (item, error) {
	if f == yearField {
		return item{}, p.errorAt(w.at, w.text, "H is not for years", p.values(f))
	}
	rule := fieldRules[f]
	lo, hi := rule.min, rule.max
	switch {
	case w.text != "H":
		inner, closed := strings.CutSuffix(w.text[2:], ")")
		if !closed || !strings.Contains(inner, "-") {
			return item{}, p.errorAt(w.at, w.text, fmt.Sprintf("%q is not a range for H", w.text), fmt.Sprintf("write for example H(%d-%d)", rule.min, rule.min+5))
		}
		i, err := p.plain(f, word{inner, w.at + 2}, 0)
		if err != nil {
			if wrong := (*SyntaxError)(nil); errors.As(err, &wrong) && wrong.Item == inner {
				wrong.Suggestion = fmt.Sprintf("write for example H(%d-%d)", rule.min, rule.min+5) // a list has no place here
			}
			return item{}, err
		}
		lo, hi = i.a, i.b
	case f == dowField:
		hi = 6
	case f == domField && step == 0:
		hi = 28 // a day that every month has
	}
	h := hashOf(p.seed, "cron", strconv.Itoa(int(f)))
	width := uint64(hi - lo + 1)
	if step == 0 {
		n := lo + int(h%width)
		if f == dowField {
			n %= 7
		}
		return item{kind: valueItem, a: n}, nil
	}
	return item{kind: spanItem, a: lo + int(h%min(uint64(step), width)), b: hi, step: step}, nil
}

// plain reads a, a-b, a-b/n and a/n.
func (p *parser) plain(f field, w word, step int) (item, error) {
	text, endText, ranged := strings.Cut(w.text, "-")
	a, err := p.value(f, word{text, w.at}, false)
	if err != nil {
		return item{}, err
	}
	if !ranged {
		switch {
		case step > 0:
			hi := fieldRules[f].max
			if f == dowField && p.quartz {
				hi = 6
			}
			return item{kind: spanItem, a: a, b: hi, step: step}, nil
		case f == dowField:
			a %= 7
		}
		return item{kind: valueItem, a: a}, nil
	}
	b, err := p.value(f, word{endText, w.at + len(text) + 1}, a > 0)
	if err != nil {
		return item{}, err
	}
	if a > b {
		err := p.errorAt(w.at, w.text, fmt.Sprintf("the range %s begins after its end", w.text), "write "+p.wrapped(f, a, b))
		err.Kind = WrongRange
		return item{}, err
	}
	return item{kind: spanItem, a: a, b: b, step: step}, nil
}

// wrapped writes a range that goes past the end of its field as a list; years
// have no other way than around.
func (p *parser) wrapped(f field, a, b int) string {
	rule := fieldRules[f]
	first, last := rule.min, rule.min+rule.size-1
	switch {
	case f == yearField:
		return spanText(b, a)
	case f == dowField && p.quartz: // which counts one more
		return spanText(a+1, last+1) + "," + spanText(first+1, b+1)
	case f == dowField && a == 7:
		return spanText(0, b)
	case f == dowField && b == 0:
		return spanText(a, 7)
	}
	return spanText(a, last) + "," + spanText(first, b)
}

func spanText(a, b int) string {
	if a == b {
		return strconv.Itoa(a)
	}
	return fmt.Sprintf("%d-%d", a, b)
}

// value reads a number or a name. A Sunday by name that ends a range is 7.
func (p *parser) value(f field, w word, endsRange bool) (int, error) {
	rule := fieldRules[f]
	if w.text == "" {
		return 0, p.errorAt(w.at, "", rule.noun()+" is missing", p.values(f))
	}
	if w.text[0] == '-' || w.text[0] == '+' {
		return 0, p.errorAt(w.at, w.text, fmt.Sprintf("%q has a sign", w.text), p.values(f)+" without a sign")
	}
	n, ok := number(w.text)
	if !ok {
		if len(w.text) == 3 && rule.names != "" {
			if at := strings.Index(rule.names, w.text); at >= 0 && at%3 == 0 {
				if n = at/3 + rule.min; n == 0 && endsRange {
					n = 7
				}
				return n, nil
			}
		}
		return 0, p.noValue(f, w, strconv.Quote(w.text), p.advice(f, w.text))
	}
	lo, hi := rule.min, rule.max
	if f == dowField && p.quartz {
		lo = 1
	}
	if n < lo || n > hi {
		suggestion := p.values(f)
		switch {
		case f == hourField && n == 24:
			suggestion = "write 0 for midnight"
		case (f == minuteField || f == secondField) && n == 60:
			suggestion = "write 0 for the full " + map[field]string{minuteField: "hour", secondField: "minute"}[f]
		case f == domField && n > 31:
			suggestion += ", L for the last day"
		}
		return 0, p.noValue(f, w, w.text, suggestion)
	}
	if f == dowField && p.quartz {
		n--
	}
	return n, nil
}

// noValue says that a word, as it is shown, is no value of a field.
func (p *parser) noValue(f field, w word, shown, suggestion string) *SyntaxError {
	err := p.errorAt(w.at, w.text, shown+" is not "+fieldRules[f].noun(), suggestion)
	err.Kind, err.Field = WrongValue, fieldRules[f].name
	return err
}

// values says which values a field takes.
func (p *parser) values(f field) string {
	rule := fieldRules[f]
	lo := rule.min
	note := ""
	switch f {
	case dowField:
		note = " (0 and 7 are Sunday) or SUN-SAT"
		if p.quartz {
			lo, note = 1, " (1 is Sunday) or SUN-SAT"
		}
	case monthField:
		note = " or JAN-DEC"
	case secondField, minuteField, hourField, domField, yearField, fieldCount:
	}
	return fmt.Sprintf("write %d-%d%s", lo, rule.max, note)
}

// advice says what was probably meant by a word that is no name.
func (p *parser) advice(f field, text string) string {
	rule := fieldRules[f]
	for at := 0; at+3 <= len(rule.names); at += 3 {
		if name := rule.names[at : at+3]; len(text) > 3 && strings.HasPrefix(text, name) {
			return "write " + name
		}
	}
	for other := range fieldCount {
		names := fieldRules[other].names
		if at := strings.Index(names, text); other != f && len(text) == 3 && at >= 0 && at%3 == 0 {
			return fmt.Sprintf("%s; %s belongs in the field for the %s", p.values(f), text, fieldRules[other].name)
		}
	}
	switch {
	case text == "H" && f != yearField:
		return fmt.Sprintf("write H alone, H/%d, or a range in brackets: H(%d-%d)", min(rule.size, 5), rule.min, rule.min+5)
	case f != domField && strings.HasSuffix(text, "W") || f != domField && f != dowField && strings.HasPrefix(text, "L"):
		return p.values(f) + "; L and W belong in the day of the month"
	case f != dowField && strings.Contains(text, "#"):
		return p.values(f) + "; # belongs in the day of the week"
	}
	return p.values(f)
}

// number reads digits; what is too large for any field becomes 1e6.
func number(text string) (int, bool) {
	if text == "" {
		return 0, false
	}
	n := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+int(c-'0'), 1_000_000)
	}
	return n, true
}
