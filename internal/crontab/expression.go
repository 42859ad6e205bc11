package crontab

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/schedule"
)

// The day fields.
const domField, dowField = 2, 4

// sizes are how many values the fields have, which is the largest step.
var sizes = [5]int{60, 24, 31, 12, 7}

// lows and highs bound the fields, for ranges whose ends are left out.
var (
	lows  = [5]int{0, 0, 1, 1, 0}
	highs = [5]int{59, 23, 31, 12, 6}
)

// expression turns the words of a line into one that schedule reads and that fires
// as cron's does.
func expression(words []word) (text string, remarks []Remark, failed *wrong) {
	var fields []string
	for _, w := range words {
		fields = append(fields, w.text)
	}
	if strings.HasPrefix(fields[0], "@") {
		if fields[0] == "@every_minute" { // FreeBSD
			fields[0] = "* * * * *"
		}
	} else {
		for i := range fields {
			var more []Remark
			fields[i], more = rewrite(i, fields[i])
			remarks = append(remarks, more...)
		}
		if both(fields[domField], fields[dowField]) {
			fields[dowField] = "+" + fields[dowField]
		}
	}
	text = strings.Join(fields, " ")
	if _, err := schedule.Parse(text, schedule.Options{HashSeed: text}); err != nil {
		if e, ok := errors.AsType[*schedule.SyntaxError](err); ok {
			return "", nil, place(e, fields, words)
		}
		return "", nil, &wrong{words[0].at, Remark{TimeInvalid, map[string]string{"item": ""}, err.Error()}}
	}
	return text, remarks, nil
}

// both reports whether cron wants both day fields to match where schedule would be
// content with one: cron asks whether a field begins with *, so */2 counts as free.
func both(dom, dow string) bool {
	free := func(f string) bool { return f == "*" || f == "?" }
	return !free(dom) && !free(dow) && (dom[0] == '*' || dow[0] == '*') && dow[0] != '+'
}

// rewrite makes a field of cron one of schedule.
func rewrite(i int, field string) (text string, remarks []Remark) {
	items := strings.Split(field, ",")
	for k, item := range items {
		base, step, stepped := strings.Cut(item, "/")
		switch {
		case strings.Contains(item, "~") && !stepped:
			items[k] = random(i, item)
			remarks = append(remarks, NewRemark(NumberFixed, "item", item))
		case stepped && base != "" && strings.Trim(base, "0123456789") == "":
			remarks = append(remarks, NewRemark(StepAmbiguous, "item", item, "meaning", fmt.Sprintf("%s-%d/%s", base, highs[i], step)))
		case stepped && base == "*":
			if v, err := strconv.Atoi(step); err == nil && v > sizes[i] {
				items[k] = "*/" + strconv.Itoa(sizes[i])
				remarks = append(remarks, NewRemark(StepTooLarge, "item", item))
			}
		}
	}
	return strings.Join(items, ","), remarks
}

// random turns cronie's a~b into the H of schedule.
func random(i int, item string) string {
	from, to, _ := strings.Cut(item, "~")
	if from == "" && to == "" {
		return "H"
	}
	if from == "" {
		from = strconv.Itoa(lows[i])
	}
	if to == "" {
		to = strconv.Itoa(highs[i])
	}
	return "H(" + from + "-" + to + ")"
}
