// Package crontab reads the tables of cron, so that what is in them can become
// schedules. It knows user tables (crontab -l) and system tables (/etc/crontab,
// /etc/cron.d), which have a column for the user.
//
// The law is that of Vixie cron and its successor cronie (crontab(5), entry.c and
// env.c there): settings such as CRON_TZ=Asia/Seoul are for the lines below them,
// an unescaped percent sign ends a command, the text after it is its standard
// input. Where crons differ from each other or from schedule's dialect, an entry
// is rewritten so that it fires as before, or carries a remark.
//
// A line that cannot be read is a Problem and stops no other line. The package is
// pure: it runs nothing and asks nobody who a user is.
//
//	table := crontab.Parse(text, crontab.Options{})
//	for _, e := range table.Entries { fmt.Println(e.Name, e.Expression, e.Argv()) }
package crontab

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Options say what cannot be seen in a table itself.
type Options struct {
	// System says that a column with the user is in front of each command.
	System bool
	// Home is where commands begin if the table does not set HOME; "" = the job's
	// own empty folder, which commands with relative paths get a note for.
	Home string
}

// Table is what was read. Both lists are in the order of the file.
type Table struct {
	Entries  []Entry
	Problems []Problem
	// Remarks are about settings; those about entries are with them.
	Remarks []Problem
}

// Variable is an environment variable.
type Variable struct{ Name, Value string }

// Entry is a line that runs something.
type Entry struct {
	Line int
	// Name is unique in the table, made of the command, and the same as long as
	// the entry and the number of its likes above it are.
	Name string
	// Description is the comment directly above; "" if there is none.
	Description string
	// Expression is in the standard dialect of package schedule.
	Expression string
	// Zone is the one of CRON_TZ, "" if there is none.
	Zone string
	// Offset bounds a delay that stays the same, from cronie's RANDOM_DELAY.
	Offset time.Duration
	// User is whose the command was; "" in a user table.
	User string
	// Command is for the shell, as cron hands it over. Stdin is what it reads.
	Command, Stdin string
	Shell          string
	// Env are the settings that a command job may be given as they are; Exports are
	// those that it may not, such as PATH: Argv has the shell set them.
	Env, Exports []Variable
	// Dir is where the command begins; "" = where the job begins.
	Dir string
	// Remarks say what is not as it was under cron.
	Remarks []Remark
}

// defaultShell is what cron uses (_PATH_BSHELL).
const defaultShell = "/bin/sh"

// state is what the lines above say.
type state struct {
	Options
	table   Table
	env     []Variable
	comment []string
	// zoneLine is the line of a CRON_TZ that is none; 0 = all is well.
	zoneLine int
	names    map[string]bool
}

// Parse reads a table. It never fails as a whole.
func Parse(text string, o Options) Table {
	s := &state{Options: o, names: map[string]bool{}}
	text = strings.TrimPrefix(text, "\ufeff")
	number := 0
	for line := range strings.Lines(text) {
		number++
		ended := strings.HasSuffix(line, "\n")
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		before := len(s.table.Entries)
		s.line(number, line)
		if n := len(s.table.Entries); !ended && n > before {
			e := &s.table.Entries[n-1]
			e.Remarks = append(e.Remarks, NewRemark(LineNotEnded))
		}
	}
	return s.table
}

func (s *state) problem(line, column int, code Code, values ...string) {
	s.table.Problems = append(s.table.Problems, Problem{line, column, NewRemark(code, values...)})
}

func (s *state) line(number int, line string) {
	text := strings.TrimLeft(line, " \t")
	switch {
	case text == "":
		s.comment = nil
		return
	case text[0] == '#':
		s.remark(text)
		return
	case !utf8.ValidString(line):
		s.problem(number, 1+utf8.RuneCountInString(line[:validPrefix(line)]), NotUTF8)
	case strings.ContainsRune(line, 0):
		s.problem(number, column(line, strings.IndexByte(line, 0)), NULCharacter)
	default:
		if v, ok := setting(text); ok {
			s.set(number, line, v)
		} else {
			s.entry(number, line)
		}
	}
	s.comment = nil
}

// column is the place of a byte as people count it.
func column(line string, at int) int { return 1 + utf8.RuneCountInString(line[:min(at, len(line))]) }

func validPrefix(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return len(s)
}

// remark keeps a comment for the entry below it, unless it is a heading, a
// drawing, or an entry that was taken out.
func (s *state) remark(text string) {
	text = strings.TrimSpace(strings.TrimLeft(text, "#"))
	switch {
	case strings.Trim(text, "-=*#_~+./\\| ") == "":
	case strings.HasPrefix(text, "|"), strings.HasPrefix(text, ".-"), strings.HasPrefix(text, "┌"), strings.HasPrefix(text, "│"),
		strings.Join(strings.Fields(text), " ") == "m h dom mon dow command", s.takenOut(text):
		s.comment = nil
	default:
		s.comment = append(s.comment, text)
	}
}

// takenOut reports whether a comment is an entry.
func (s *state) takenOut(text string) bool {
	words, rest, ok := timeWords(text)
	if !ok || rest >= len(text) {
		return false
	}
	_, _, err := expression(words)
	return err == nil
}
