package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
)

// The checks of positional arguments. Their messages say what the command
// takes, not only how many.

func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &usage{text: "unexpected argument " + strconv.Quote(args[0]), hint: fieldsHint(c, args[0], "see: "+c.CommandPath()+" --help")}
}

// fieldsHint is for those who wrote --json status.
func fieldsHint(c *cobra.Command, arg, otherwise string) string {
	if f := c.Flag("json"); f != nil && f.Changed {
		return "fields follow an equals sign: --json=" + arg
	}
	return otherwise
}

func oneArg(c *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return someArgs(c, args)
	case 1:
		return nil
	}
	return &usage{text: "unexpected argument " + strconv.Quote(args[1]) + ", there can be one", hint: fieldsHint(c, args[1], "usage: "+c.UseLine())}
}

func someArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return nil
	}
	_, what, _ := strings.Cut(c.Use, " ")
	return &usage{text: "an argument is missing: " + what, hint: "usage: " + c.UseLine()}
}

// flagText is the message of a wrong flag without the names of Go functions.
func flagText(text string) string {
	before, after, found := strings.Cut(text, ": strconv.")
	switch {
	case !found:
		return text
	case strings.HasPrefix(after, "ParseBool"):
		return before + ": must be true or false"
	}
	return before + ": must be a whole number"
}

// noteRelative warns of arguments that name a file here, because a job does
// not start here but in an empty folder of its own, maybe on another machine.
func (a *app) noteRelative(argv []string) {
	for _, arg := range argv[min(1, len(argv)):] {
		if filepath.IsAbs(arg) {
			continue
		}
		if info, err := os.Stat(arg); err == nil && info.Mode().IsRegular() {
			a.talk("note: the job starts in an empty folder and will not find %s; give its absolute path", arg)
		}
	}
}

// commandName is the name of a job that got none: its program and, where it
// is no option, the first argument, such as "python3 train.py". Without it all
// command jobs would look the same in a list.
func commandName(argv []string) string {
	const longest = 60
	words := argv[:1]
	if len(argv) > 1 && argv[1] != "" && !strings.HasPrefix(argv[1], "-") && !strings.ContainsAny(argv[1], " \\\t\n") {
		words = argv[:2] // a script or a number; a whole sentence is no name
	}
	var out []string
	for _, w := range words {
		out = append(out, filepath.Base(w))
	}
	name := []rune(strings.Join(out, " "))
	if len(name) > longest || strings.ContainsFunc(string(name), unicode.IsControl) {
		return ""
	}
	return string(name)
}
