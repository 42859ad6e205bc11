package crontab

import (
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/envvar"
	"github.com/runsheet/runsheet/internal/schedule"
)

// setting reads NAME=value as cron does: both may be in quotes, spaces around the
// equals sign do not count, those at the end of an unquoted value neither. What
// is no setting is an entry.
func setting(text string) (Variable, bool) {
	name, rest, ok := settingName(text)
	if !ok {
		return Variable{}, false
	}
	rest = strings.TrimLeft(rest, " \t")
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return Variable{name, strings.TrimRight(rest, " \t")}, true
	}
	value, after, closed := strings.Cut(rest[1:], rest[:1])
	if !closed || strings.Trim(after, " \t") != "" {
		return Variable{}, false
	}
	return Variable{name, value}, true
}

// settingName reads up to the equals sign.
func settingName(text string) (name, rest string, ok bool) {
	if text[0] == '"' || text[0] == '\'' {
		name, rest, ok = strings.Cut(text[1:], text[:1])
		if !ok || strings.Contains(name, "=") {
			return "", "", false
		}
	} else {
		end := strings.IndexAny(text, "= \t")
		if end <= 0 {
			return "", "", false
		}
		name, rest = text[:end], text[end:]
	}
	rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " \t"), "=")
	return name, rest, ok && name != ""
}

// set takes a setting for the lines below.
func (s *state) set(number int, line string, v Variable) {
	remark := func(code Code, values ...string) {
		s.table.Remarks = append(s.table.Remarks, Problem{number, column(line, strings.Index(line, v.Name)), NewRemark(code, values...)})
	}
	at := column(line, strings.Index(line, "=")+1)
	switch v.Name {
	case "CRON_TZ":
		s.zoneLine = 0
		if v.Value != "" {
			if _, err := schedule.LoadZone(v.Value); err != nil {
				s.zoneLine = number
				s.problem(number, at, ZoneUnknown, "zone", v.Value)
			}
		}
	case "RANDOM_DELAY":
		if n, err := strconv.Atoi(v.Value); err != nil || n < 0 || n > 24*60 {
			s.problem(number, at, DelayInvalid)
			return
		}
	case "TZ":
		remark(ZoneOfCommands)
	case "MAILTO":
		if v.Value != "" {
			remark(NothingMailed)
		}
	case "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING", "LOGNAME", "USER", "XDG_SESSION_CLASS", "MLS_LEVEL":
		remark(SettingWithoutEffect, "name", v.Name)
	case "SHELL":
		if !strings.HasPrefix(v.Value, "/") {
			s.problem(number, at, PathNotAbsolute, "name", v.Name)
			return
		}
	case "HOME":
		if v.Value != "" && !strings.HasPrefix(v.Value, "/") {
			s.problem(number, at, PathNotAbsolute, "name", v.Name)
			return
		}
	default:
		if !envvar.Valid(v.Name) || strings.HasPrefix(v.Name, "RUNSHEET_") {
			s.problem(number, column(line, strings.Index(line, v.Name)), NameInvalid, "name", v.Name)
			return
		}
	}
	for i := range s.env {
		if s.env[i].Name == v.Name {
			s.env[i].Value = v.Value
			return
		}
	}
	s.env = append(s.env, v)
}

// value is what a setting is now.
func (s *state) value(name string) string {
	for _, v := range s.env {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

// settle gives an entry what the settings above it say.
func (s *state) settle(e *Entry) {
	e.Zone, e.Shell, e.Dir = s.value("CRON_TZ"), s.value("SHELL"), s.value("HOME")
	if e.Shell == "" {
		e.Shell = defaultShell
	}
	if e.Dir == "" {
		e.Dir = s.Home
	}
	if n, err := strconv.Atoi(s.value("RANDOM_DELAY")); err == nil {
		e.Offset = time.Duration(n) * time.Minute
	}
	home := false
	for _, v := range s.env {
		switch v.Name {
		case "CRON_TZ", "RANDOM_DELAY", "MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING", "LOGNAME", "USER",
			"XDG_SESSION_CLASS", "MLS_LEVEL", "SHELL":
			continue
		case "HOME":
			home = true
			if v.Value == "" {
				v.Value = s.Home
			}
			if v.Value == "" {
				continue
			}
		}
		if envvar.Reserved(v.Name) || envvar.Injects(v.Name) {
			e.Exports = append(e.Exports, v)
		} else {
			e.Env = append(e.Env, v)
		}
	}
	if !home && s.Home != "" {
		e.Env = append(e.Env, Variable{"HOME", s.Home})
	}
}
