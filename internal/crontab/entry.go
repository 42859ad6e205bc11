package crontab

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/schedule"
)

// word is a part of a line and where it begins, in bytes.
type word struct {
	text string
	at   int
}

// cutWord returns the first word from a place on, and where the next one begins.
func cutWord(line string, from int) (word, int) {
	for from < len(line) && (line[from] == ' ' || line[from] == '\t') {
		from++
	}
	end := from
	for end < len(line) && line[end] != ' ' && line[end] != '\t' {
		end++
	}
	next := end
	for next < len(line) && (line[next] == ' ' || line[next] == '\t') {
		next++
	}
	return word{line[from:end], from}, next
}

// timeWords splits off what says when: five fields, or a word that begins with @.
// It reports whether there were enough, and where the rest begins.
func timeWords(line string) (words []word, rest int, ok bool) {
	first, next := cutWord(line, 0)
	words = append(words, first)
	count := 5
	switch {
	case first.text == "@every":
		count = 2
	case strings.HasPrefix(first.text, "@"):
		count = 1
	}
	for len(words) < count {
		var w word
		if w, next = cutWord(line, next); w.text == "" {
			return words, len(line), false
		}
		words = append(words, w)
	}
	return words, next, first.text != ""
}

// entry reads a line that runs something.
func (s *state) entry(number int, line string) {
	// "-" in front keeps the start out of the system's log.
	quiet := strings.Index(line, "-")
	timing := line
	if strings.TrimLeft(line[:max(quiet, 0)], " \t") == "" && quiet >= 0 {
		timing = line[:quiet] + " " + line[quiet+1:]
	}
	words, rest, ok := timeWords(timing)
	if !ok {
		if strings.HasPrefix(words[0].text, "@") {
			s.problem(number, column(line, len(line)), EveryIncomplete)
		} else {
			s.problem(number, column(line, len(line)), FieldsMissing, "count", strconv.Itoa(len(words)))
		}
		return
	}
	e := Entry{Line: number, Description: strings.Join(s.comment, " ")}
	var err *wrong
	if e.Expression, e.Remarks, err = expression(words); err != nil {
		s.table.Problems = append(s.table.Problems, Problem{number, column(line, err.at), err.remark})
		return
	}
	if s.System {
		var user word
		user, rest = cutWord(line, rest)
		if user.text == "" || user.text[0] == '*' || rest >= len(line) {
			s.problem(number, column(line, rest), UserMissing)
			return
		}
		if e.User, _, _ = strings.Cut(user.text, ":"); e.User == "" {
			s.problem(number, column(line, user.at), UserEmpty)
			return
		}
	}
	command := line[rest:]
	if after, found := strings.CutPrefix(command, "-n"); found && after != "" && (after[0] == ' ' || after[0] == '\t') {
		command = strings.TrimLeft(after, " \t") // only mail was meant
	}
	e.Command, e.Stdin = percent(command)
	if strings.TrimSpace(e.Command) == "" {
		s.problem(number, column(line, rest), CommandMissing)
		return
	}
	if command[0] == '*' {
		s.problem(number, column(line, rest), FieldsTooMany)
		return
	}
	if s.zoneLine > 0 {
		s.problem(number, 1, ZoneUnknownAbove, "line", strconv.Itoa(s.zoneLine))
		return
	}
	s.settle(&e)
	e.remark()
	e.Name = s.name(e)
	s.table.Entries = append(s.table.Entries, e)
}

// percent splits a command as cron does: the first unescaped % ends it, further
// ones end lines of its input, and \% is the sign itself.
func percent(text string) (command, stdin string) {
	var parts [2]strings.Builder
	out := &parts[0]
	input := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '%':
			out.WriteByte('%')
			i++
		case text[i] == '\\' && i+1 < len(text):
			// A backslash takes the next character with it: in \\% the sign is bare.
			out.WriteByte('\\')
			i++
			out.WriteByte(text[i])
		case text[i] != '%':
			out.WriteByte(text[i])
		case input:
			out.WriteByte('\n')
		default:
			input, out = true, &parts[1]
		}
	}
	stdin = parts[1].String()
	if stdin != "" && !strings.HasSuffix(stdin, "\n") {
		stdin += "\n"
	}
	return parts[0].String(), stdin
}

// remark says what will not be as it was.
func (e *Entry) remark() {
	if e.User != "" {
		e.Remarks = append(e.Remarks, NewRemark(OtherUser, "user", e.User))
	}
	if first, _, _ := strings.Cut(e.Command, " "); e.User == "" && first == "root" {
		e.Remarks = append(e.Remarks, NewRemark(SystemTable))
	}
	if e.Dir == "" && relative(e.Command) {
		e.Remarks = append(e.Remarks, NewRemark(HomeNeeded))
	}
}

// relative reports whether a command seems to count on the home folder of its user.
func relative(command string) bool {
	if strings.Contains(command, "$HOME") || strings.Contains(command, "${HOME}") {
		return true
	}
	words := strings.Fields(command)
	for i, w := range words {
		w = strings.Trim(w, `"';(){}<>&`)
		switch {
		case w == "~", strings.HasPrefix(w, "~/"):
			return true
		case words[0] == "cd": // then the rest is relative to a folder that it names
		case strings.HasPrefix(w, "./"), strings.HasPrefix(w, "../"),
			i == 0 && strings.Contains(w, "/") && !strings.HasPrefix(w, "/") && !strings.Contains(w, "="):
			return true
		}
	}
	return words[0] == "cd" && len(words) > 1 && !strings.HasPrefix(strings.Trim(words[1], `"'`), "/")
}

// Argv is the command line that a job runs: the shell with the command. Variables
// that a job cannot be given, and the folder, are set by a shell before it.
func (e Entry) Argv() []string {
	var prelude strings.Builder
	for _, v := range e.Exports {
		fmt.Fprintf(&prelude, "%s=%s; export %s\n", v.Name, quote(v.Value), v.Name)
	}
	if e.Dir != "" {
		fmt.Fprintf(&prelude, "cd %s || exit 1\n", quote(e.Dir))
	}
	switch {
	case prelude.Len() == 0:
		return []string{e.Shell, "-c", e.Command}
	case posix(e.Shell):
		return []string{e.Shell, "-c", prelude.String() + e.Command}
	}
	return []string{defaultShell, "-c", prelude.String() + `exec "$0" -c "$1"`, e.Shell, e.Command}
}

// posix reports whether a shell understands the prelude.
func posix(shell string) bool {
	switch path.Base(shell) {
	case "sh", "bash", "dash", "ash", "ksh", "mksh", "zsh":
		return true
	}
	return false
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// wrong is an error at a byte of the line.
type wrong struct {
	at     int
	remark Remark
}

// place turns the column of a schedule.SyntaxError in an expression that was put
// together of fields into a byte of the line that the words are from.
func place(e *schedule.SyntaxError, fields []string, words []word) *wrong {
	remark := syntax(e)
	begin := 1
	for i, f := range fields {
		if e.Column <= begin+len(f) && i < len(words) {
			inside := e.Column - begin
			if f != words[i].text {
				inside = 0 // it was rewritten
			}
			return &wrong{words[i].at + max(inside, 0), remark}
		}
		begin += len(f) + 1
	}
	return &wrong{words[len(words)-1].at, remark}
}

// syntax is the remark about an error in an expression.
func syntax(e *schedule.SyntaxError) Remark {
	detail := e.Reason
	if e.Suggestion != "" {
		detail += "; " + e.Suggestion
	}
	values := map[string]string{"item": e.Item}
	switch e.Kind {
	case schedule.WrongValue:
		values["field"] = strings.ReplaceAll(e.Field, " ", "_")
		return Remark{ValueInvalid, values, detail}
	case schedule.WrongRange:
		return Remark{RangeBackwards, values, detail}
	case schedule.WrongMacro:
		return Remark{MacroUnknown, values, detail}
	case schedule.WrongOther:
	}
	return Remark{TimeInvalid, values, detail}
}
