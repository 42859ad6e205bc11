package crontab

import (
	"fmt"
	"path"
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
		s.problem(number, column(line, len(line)), "%s", tooShort(words))
		return
	}
	e := Entry{Line: number, Description: strings.Join(s.comment, " ")}
	var err *wrong
	if e.Expression, e.Notes, err = expression(words); err != nil {
		s.problem(number, column(line, err.at), "%s", err.text)
		return
	}
	if s.System {
		var user word
		user, rest = cutWord(line, rest)
		if user.text == "" || user.text[0] == '*' || rest >= len(line) {
			s.problem(number, column(line, rest), "a user and a command have to follow the time")
			return
		}
		if e.User, _, _ = strings.Cut(user.text, ":"); e.User == "" {
			s.problem(number, column(line, user.at), "the user has no name")
			return
		}
	}
	command := line[rest:]
	if after, found := strings.CutPrefix(command, "-n"); found && after != "" && (after[0] == ' ' || after[0] == '\t') {
		command = strings.TrimLeft(after, " \t") // only mail was meant
	}
	e.Command, e.Stdin = percent(command)
	if strings.TrimSpace(e.Command) == "" {
		s.problem(number, column(line, rest), "the command is missing")
		return
	}
	if command[0] == '*' {
		s.problem(number, column(line, rest), "the time has more than five fields")
		return
	}
	if s.zoneLine > 0 {
		s.problem(number, 1, "left out, because the time zone of line %d is unknown", s.zoneLine)
		return
	}
	s.settle(&e)
	e.note()
	e.Name = s.name(e)
	s.table.Entries = append(s.table.Entries, e)
}

func tooShort(words []word) string {
	if strings.HasPrefix(words[0].text, "@") {
		return "a duration and a command have to follow @every"
	}
	return fmt.Sprintf("the time has %d of 5 fields, or this is no setting", len(words))
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

// note says what will not be as it was.
func (e *Entry) note() {
	if e.User != "" {
		e.Notes = append(e.Notes, "it ran as "+e.User+" and will run as the server's user")
	}
	if first, _, _ := strings.Cut(e.Command, " "); e.User == "" && first == "root" {
		e.Notes = append(e.Notes, "the command begins with root: a system table is read with --system")
	}
	if e.Dir == "" && relative(e.Command) {
		e.Notes = append(e.Notes, "it seems to need the home folder of its user; name it with --home")
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
	at   int
	text string
}

// place turns the column of a schedule.SyntaxError in an expression that was put
// together of fields into a byte of the line that the words are from.
func place(e *schedule.SyntaxError, fields []string, words []word) *wrong {
	text := e.Reason
	if e.Suggestion != "" {
		text += "; " + e.Suggestion
	}
	begin := 1
	for i, f := range fields {
		if e.Column <= begin+len(f) && i < len(words) {
			inside := e.Column - begin
			if f != words[i].text {
				inside = 0 // it was rewritten
			}
			return &wrong{words[i].at + max(inside, 0), text}
		}
		begin += len(f) + 1
	}
	return &wrong{words[len(words)-1].at, text}
}
