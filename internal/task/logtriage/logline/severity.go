package logline

// Words are looked at near the beginning of a line: what is far inside is
// likely to be text.
const (
	levelWords  = 10   // in which a level is looked for
	hintWithin  = 2048 // bytes in which words like "exception" are looked for
	longestWord = 12
)

// severityIn judges a text by its words. explicit says that a level was written
// as such: in capitals, in brackets, before a colon, or after level=.
func severityIn(text []byte) (s Severity, explicit bool) {
	if len(text) > hintWithin {
		text = text[:hintWithin]
	}
	hint, words := Info, 0
	for i := 0; i < len(text); {
		if !isLetter(text[i]) {
			i++
			continue
		}
		j := i
		upper := true
		for j < len(text) && (isLetter(text[j]) || isDigit(text[j]) || text[j] == '_' || text[j] >= 0x80) {
			upper = upper && (text[j] < 'a' || text[j] > 'z')
			j++
		}
		words++
		if word := text[i:j]; len(word) <= longestWord && aloneAt(text, i, j, upper) {
			if level, ok := levelOf(word); ok {
				if words <= levelWords && (keyed(text, i) || words <= levelWords-1 && marked(text, i, j, upper)) {
					return level, true
				}
			}
			hint = max(hint, hintOf(word))
		}
		i = j
	}
	return hint, false
}

// aloneAt reports whether the word text[i:j] is no part of a longer name. A
// level behind the name of its logger is one: app.ERROR:.
func aloneAt(text []byte, i, j int, upper bool) bool {
	if i == 0 {
		return true
	}
	switch text[i-1] {
	case '-', '/':
		return false
	case '.':
		return upper && j < len(text) && text[j] == ':'
	}
	return true
}

// marked reports whether the word text[i:j] is set off as a level is.
func marked(text []byte, i, j int, upper bool) bool {
	if upper && j-i > 1 {
		return true
	}
	before := i > 0 && (text[i-1] == '[' || text[i-1] == '<' || text[i-1] == '(')
	after := j < len(text) && (text[j] == ']' || text[j] == '>' || text[j] == ')')
	if before && after {
		return true
	}
	return i == 0 && j < len(text) && text[j] == ':'
}

// keyed reports whether the word at i is the value of a key like level.
func keyed(text []byte, i int) bool {
	if i > 0 && text[i-1] == '"' {
		i--
	}
	if i < 2 || text[i-1] != '=' {
		return false
	}
	j := i - 1
	k := j
	for k > 0 && isLetter(text[k-1]) {
		k--
	}
	return levelKey(text[k:j])
}

// levelKey reports whether a field of this name holds a level.
func levelKey(key []byte) bool {
	var buf [longestWord]byte
	switch string(lower(buf[:0], key)) {
	case "level", "lvl", "severity", "loglevel", "log_level", "levelname", "log.level":
		return true
	}
	return false
}

// levelOf reads the name of a level.
func levelOf(word []byte) (Severity, bool) {
	var buf [longestWord]byte
	switch string(lower(buf[:0], word)) {
	case "fatal", "panic", "dpanic", "emerg", "emergency", "alert", "crit", "critical":
		return Fatal, true
	case "error", "err", "eror", "severe":
		return Error, true
	case "warn", "warning", "wrn":
		return Warning, true
	case "info", "inf", "information", "notice":
		return Info, true
	case "debug", "dbg", "trace", "trc", "verbose", "fine", "finer", "finest":
		return Debug, true
	}
	return Info, false
}

// hintOf judges a word in the midst of a text.
func hintOf(word []byte) Severity {
	var buf [longestWord]byte
	switch string(lower(buf[:0], word)) {
	case "fatal", "panic", "critical":
		return Fatal
	case "error", "exception", "traceback":
		return Error
	case "warning":
		return Warning
	}
	return Info
}

// levelNumber reads the numbers of pino and bunyan.
func levelNumber(n int64) (Severity, bool) {
	switch {
	case n >= 60 && n < 100:
		return Fatal, true
	case n >= 50 && n < 60:
		return Error, true
	case n >= 40 && n < 50:
		return Warning, true
	case n >= 30 && n < 40:
		return Info, true
	case n >= 10 && n < 30:
		return Debug, true
	}
	return Info, false
}

// lower appends word in small letters to dst, cut to dst's capacity so that
// nothing is allocated.
func lower(dst, word []byte) []byte {
	for _, c := range word {
		if len(dst) == cap(dst) {
			return dst[:0]
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
