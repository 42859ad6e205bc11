package crontab

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxName bounds the characters of a name before a number is added.
const maxName = 48

// name makes a name of the command. The first of several equal ones has it alone,
// the others get a few digits of what they are: so the name of an entry does not
// depend on entries that are added below it, or above it with other commands.
func (s *state) name(e Entry) string {
	name := slug(program(e.Command))
	if s.names[name] {
		sum := sha256.Sum256([]byte(strings.Join([]string{e.Expression, e.Zone, e.User, e.Command, e.Stdin}, "\x00")))
		name += "-" + hex.EncodeToString(sum[:3])
	}
	again := name
	for n := 2; s.names[again]; n++ {
		again = name + "-" + strconv.Itoa(n)
	}
	s.names[again] = true
	return again
}

// program finds what a command is about: the program, or the script that an
// interpreter runs, behind such as cd, test, nice and sudo.
func program(command string) string {
	command = strings.NewReplacer("&&", "\n", "||", "\n", ";", "\n", "|", "\n").Replace(command)
	first := ""
	for part := range strings.SplitSeq(command, "\n") {
		w := programIn(strings.Fields(part))
		if first == "" {
			first = w
		}
		if w != "" && !slices.Contains(aside, w) {
			return w
		}
	}
	return first
}

// aside begins parts of a command that only prepare the next one.
var aside = []string{"cd", "test", "[", "[[", "set", "export", "source", ".", "if", "then", "command", "umask", "ulimit", "mkdir", "sleep", "true", "else", "fi"}

// before stands in front of the program.
var before = []string{"nice", "ionice", "nohup", "env", "sudo", "time", "timeout", "chronic", "exec", "flock", "setsid", "caffeinate", "stdbuf", "chrt"}

// interpreters run what follows.
var interpreters = []string{"sh", "bash", "dash", "zsh", "ksh", "python", "python2", "python3", "perl", "ruby", "php", "node", "java", "Rscript", "run-parts"}

// programIn is program for a command without && and the like.
func programIn(words []string) string {
	script := false
	name := ""
	for _, w := range words {
		w = strings.Trim(w, `"'(){}`)
		base := path.Base(w)
		switch {
		case w == "", strings.HasPrefix(w, "-"), strings.Contains(w, "=") && name == "":
		case strings.ContainsAny(w, "<>") && name != "":
			return name
		case slices.Contains(before, base) && !script:
			name = base
		case slices.Contains(before, name) && (w[0] >= '0' && w[0] <= '9' || name == "flock" && strings.HasSuffix(w, ".lock")):
		case slices.Contains(interpreters, base) && !script:
			name, script = base, true
		default:
			return base
		}
	}
	return name
}

// slug keeps what names have: small letters, digits and single dashes.
func slug(text string) string {
	for _, ext := range []string{".sh", ".py", ".pl", ".rb", ".php", ".js", ".jar"} {
		text = strings.TrimSuffix(text, ext)
	}
	var out strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			out.WriteRune(r)
		case out.Len() > 0 && !strings.HasSuffix(out.String(), "-"):
			out.WriteByte('-')
		}
		if out.Len() >= maxName {
			break
		}
	}
	if name := strings.Trim(out.String(), "-"); name != "" {
		return name
	}
	return "job"
}
