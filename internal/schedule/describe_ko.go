package schedule

import (
	"fmt"
	"strings"
	"time"
)

// korean is the tongue of Describe's lines in Korean. From the large to the
// small: years, months, days, time of the day.
type korean struct{}

func (korean) also() string   { return "; 그리고 " }
func (korean) reboot() string { return "서버가 시작될 때마다 한 번" }
func (korean) unreadable(text string) string {
	return fmt.Sprintf("%q(올바른 cron 식이 아님)", text)
}

func (k korean) cron(c *Cron) string {
	var parts []string
	if years := c.lists[yearField]; years != nil {
		if years.unrestricted() {
			parts = append(parts, "1970년부터 2199년까지")
		} else {
			parts = append(parts, k.list(years, "년"))
		}
	}
	dom, dow := c.lists[domField], c.lists[dowField]
	months := c.lists[monthField]
	switch {
	case !months.unrestricted():
		parts = append(parts, k.list(months, "월"))
	case !dom.unrestricted() || strings.ContainsAny(dow.String(), "#L"):
		parts = append(parts, "매월")
	case !dow.unrestricted():
		parts = append(parts, "매주")
	}
	switch {
	case dom.unrestricted() && dow.unrestricted():
		if !c.lists[hourField].unrestricted() {
			parts = append(parts, "매일")
		}
	case dow.unrestricted():
		parts = append(parts, k.dom(dom))
	case dom.unrestricted():
		parts = append(parts, k.dow(dow))
	case c.and:
		parts = append(parts, k.dom(dom)+" 중 "+k.dow(dow)+"인 날")
	default:
		parts = append(parts, k.dom(dom)+" 또는 "+k.dow(dow))
	}
	return strings.Join(append(parts, k.time(c)), " ")
}

// time says when on a day.
func (k korean) time(c *Cron) string {
	if times, ok := c.clockTimes(); ok {
		return strings.Join(times, ", ")
	}
	seconds, minutes, hours := c.lists[secondField], c.lists[minuteField], c.lists[hourField]
	var parts []string
	from, to, ranged := hours.wholeHours()
	switch {
	case hours.unrestricted():
		if !minutes.wild() {
			parts = append(parts, "매시")
		}
	case ranged && minutes.wild():
		parts = append(parts, fmt.Sprintf("%02d:00부터 %02d:59까지", from, to))
	case hours.stepped() > 1:
		parts = append(parts, fmt.Sprintf("0시부터 %d시간 간격의", hours.stepped()))
	default:
		parts = append(parts, k.list(hours, "시"))
	}
	if n := minutes.stepped(); n > 1 && !seconds.zero() {
		parts = append(parts, k.list(minutes, "분")+"으로")
	} else if seconds.zero() || !minutes.unrestricted() {
		parts = append(parts, k.unit(minutes, "분"))
	} else if !seconds.wild() {
		parts = append(parts, "매분")
	}
	if !seconds.zero() {
		parts = append(parts, k.unit(seconds, "초"))
	}
	return strings.Join(parts, " ")
}

// unit says a list of seconds or minutes.
func (k korean) unit(l list, unit string) string {
	switch n := l.stepped(); {
	case l.unrestricted() || n == 1:
		return "매" + unit
	case n > 1 && 60%n == 0:
		return fmt.Sprintf("%d%s마다", n, unit)
	case n > 1:
		return fmt.Sprintf("0%s부터 %d%s마다", unit, n, unit)
	}
	return k.list(l, unit)
}

// list says plain numbers, ranges and steps.
func (korean) list(l list, unit string) string {
	var parts []string
	for _, i := range l {
		switch {
		case i.kind == allItem && i.step <= 1:
			parts = append(parts, "매"+unit)
		case i.kind == allItem:
			parts = append(parts, fmt.Sprintf("%d%s 간격", i.step, counted(unit)))
		case i.kind == spanItem && i.step > 1:
			parts = append(parts, fmt.Sprintf("%d%s부터 %d%s까지 %d%s 간격", i.a, unit, i.b, unit, i.step, counted(unit)))
		case i.kind == spanItem && i.a != i.b:
			parts = append(parts, fmt.Sprintf("%d%s부터 %d%s까지", i.a, unit, i.b, unit))
		default:
			parts = append(parts, fmt.Sprintf("%d%s", i.a, unit))
		}
	}
	return strings.Join(parts, ", ")
}

// counted is the unit of a number of hours or months, which differs from that
// of the hour or month with a number.
func counted(unit string) string {
	switch unit {
	case "시":
		return "시간"
	case "월":
		return "개월"
	}
	return unit
}

// dom says the days of the month.
func (k korean) dom(l list) string {
	var parts []string
	for _, i := range l {
		switch i.kind {
		case lastItem:
			if i.a == 0 {
				parts = append(parts, "마지막 날")
			} else {
				parts = append(parts, fmt.Sprintf("마지막 날의 %d일 전", i.a))
			}
		case lastWeekday:
			if i.a == 0 {
				parts = append(parts, "마지막 평일")
			} else {
				parts = append(parts, fmt.Sprintf("마지막 날의 %d일 전에 가장 가까운 평일", i.a))
			}
		case nearItem:
			parts = append(parts, fmt.Sprintf("%d일에 가장 가까운 평일", i.a))
		case allItem, valueItem, spanItem, nthItem, lastDowItem:
			parts = append(parts, k.list(list{i}, "일"))
		}
	}
	return strings.Join(parts, ", ")
}

// dow says the days of the week.
func (korean) dow(l list) string {
	day := func(n int) string { return string([]rune("일월화수목금토")[n%7]) + "요일" }
	var parts []string
	for _, i := range l {
		switch {
		case i.kind == nthItem:
			parts = append(parts, []string{"", "첫째", "둘째", "셋째", "넷째", "다섯째"}[i.b]+" "+day(i.a))
		case i.kind == lastDowItem:
			parts = append(parts, "마지막 "+day(i.a))
		case i.kind == allItem && i.step <= 1:
			parts = append(parts, "모든 요일")
		case i.kind == allItem:
			parts = append(parts, fmt.Sprintf("일요일부터 %d일 간격", i.step))
		case i.kind == spanItem && i.step > 1:
			parts = append(parts, fmt.Sprintf("%s부터 %s까지 %d일 간격", day(i.a), day(i.b), i.step))
		case i.kind == spanItem && i.a != i.b:
			parts = append(parts, day(i.a)+"부터 "+day(i.b)+"까지")
		default:
			parts = append(parts, day(i.a))
		}
	}
	return strings.Join(parts, ", ")
}

func (korean) duration(d time.Duration) string {
	parts, ms := durationParts(d)
	var words []string
	for n, unit := range []string{"일", "시간", "분", "초"} {
		if parts[n] > 0 {
			words = append(words, fmt.Sprintf("%d%s", parts[n], unit))
		}
	}
	if ms > 0 {
		words = append(words, fmt.Sprintf("%d밀리초", ms))
	}
	return strings.Join(words, " ")
}

func (k korean) interval(s IntervalSpec) string {
	if s.Mode == AfterCompletion {
		return "실행이 끝나고 " + k.duration(s.Every) + " 뒤"
	}
	text := k.duration(s.Every) + "마다"
	if !s.Anchor.IsZero() {
		text += "(" + moment(s.Anchor.UTC()) + " UTC 기준)"
	}
	return text
}

func (korean) at(times []string, more int) string {
	text := strings.Join(times, ", ")
	if more > 0 {
		text += fmt.Sprintf(" 외 %d번", more)
	}
	return text
}

func (k korean) event(s EventSpec) string {
	if s.Every > 0 {
		text := s.Calendar + " 거래일의 개장"
		if s.Offset != 0 {
			text += " " + k.away(s.Offset)
		}
		text += "부터 폐장까지 " + k.duration(s.Every) + "마다"
		if s.DuringBreaks {
			return text + "(휴장 시간 포함)"
		}
		return text
	}
	name := s.Calendar + " " + map[Event]string{
		EventOpen: "거래일의 개장", EventClose: "거래일의 폐장", EventBreakStart: "휴장 시간의 시작", EventBreakEnd: "휴장 시간의 끝",
		EventWeekStart: "매주 첫 거래일의 개장", EventWeekEnd: "매주 마지막 거래일의 폐장",
		EventMonthStart: "매월 첫 거래일의 개장", EventMonthEnd: "매월 마지막 거래일의 폐장",
		EventQuarterStart: "매 분기 첫 거래일의 개장", EventQuarterEnd: "매 분기 마지막 거래일의 폐장",
		EventYearStart: "매년 첫 거래일의 개장", EventYearEnd: "매년 마지막 거래일의 폐장",
	}[s.Event]
	if s.Offset == 0 {
		return name
	}
	return name + " " + k.away(s.Offset)
}

func (k korean) away(d time.Duration) string {
	if d < 0 {
		return k.duration(-d) + " 전"
	}
	return k.duration(d) + " 뒤"
}

func (k korean) on(s OnSpec) string {
	text := s.Event
	if s.Subject != "" {
		text = s.Subject + "의 " + text
	}
	if s.Delay > 0 {
		return text + " 발생 " + k.duration(s.Delay) + " 뒤"
	}
	return text + " 발생 시"
}

func (k korean) constraints(s Spec) []string {
	var parts []string
	if s.Calendar != "" {
		text := s.Calendar + "에 속한 날에만"
		switch s.OnNonSession {
		case NextSession:
			text = s.Calendar + "에 속하지 않은 날이면 다음 날짜로"
		case PreviousSession:
			text = s.Calendar + "에 속하지 않은 날이면 이전 날짜로"
		case SkipNominal:
		}
		parts = append(parts, text)
	}
	switch s.OnlyIn {
	case InSession:
		parts = append(parts, "개장부터 폐장까지만")
	case InRegularHours:
		parts = append(parts, "정규 시간에만")
	case OutsideHours:
		parts = append(parts, "정규 시간 밖에서만")
	case Anywhere:
	}
	var not []string
	for _, d := range s.Exclude.Dates {
		not = append(not, d.String())
	}
	for _, name := range s.Exclude.Calendars {
		not = append(not, name+"에 속한 날")
	}
	for _, text := range s.Exclude.Cron {
		not = append(not, describeCron(k, s, text))
	}
	if len(not) > 0 {
		parts = append(parts, strings.Join(not, ", ")+" 제외")
	}
	if !s.StartAt.IsZero() {
		parts = append(parts, moment(s.StartAt.UTC())+" UTC부터")
	}
	if !s.EndAt.IsZero() {
		parts = append(parts, moment(s.EndAt.UTC())+" UTC 전까지")
	}
	return parts
}
