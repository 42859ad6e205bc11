package action

import (
	"path"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// shells take a program as text. wrappers start the program that their arguments
// name. Read-only.
var (
	shells = []string{
		"sh", "bash", "rbash", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "pdksh", "yash", "fish", "csh", "tcsh", "posh", "elvish", "nu", "xonsh",
		"pwsh", "powershell", "cmd",
	}
	// launchers make a command line of an argument of their own.
	launchers = []string{"env", "su", "runuser", "script", "flock", "watch", "sudo", "doas"}
	// whole read all that follows their options as script.
	whole    = []string{"pwsh", "powershell", "cmd"}
	wrappers = []string{
		"env", "busybox", "toybox", "nice", "nohup", "timeout", "setsid", "stdbuf", "time", "sudo", "doas", "su", "runuser", "chroot", "flock",
		"strace", "xargs", "ionice", "taskset", "unshare", "nsenter", "watch", "script", "exec", "command",
	}
)

// program is the name by which a program of a path is known.
func program(name string) string {
	return strings.TrimSuffix(strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/"))), ".exe")
}

func isShell(name string) bool { return slices.Contains(shells, program(name)) }

// computed reports whether a text of a document is a template.
func computed(v *source.Value) bool { return v.Kind == source.String && strings.Contains(v.Str, "{{") }

// checkCommand refuses values inside of a shell's script: whoever decides about the
// value would decide what runs. Values go through env, or behind the script as its
// arguments.
func checkCommand(n workflow.Node, report func(at source.Pos, code, text string)) {
	argv := n.Config.Get("argv")
	if argv == nil || argv.Kind != source.List {
		return
	}
	if len(argv.Items) == 0 {
		report(argv.Pos, "wrong_value", "argv is empty")
		return
	}
	args := make([]string, len(argv.Items))
	for i, v := range argv.Items {
		args[i] = v.Str
	}
	if at, ok := injected(n.Config, args); ok {
		report(at, "shell_script", shellText)
	}
}

const shellText = "a shell's script must not contain {{ }}: give the value in env, or as an argument behind the script"

// injected finds a {{ }} in what a shell will read as its script. args are the
// arguments as they are now: in the document, or computed, which may show only then
// that one is a shell.
func injected(config *source.Value, args []string) (source.Pos, bool) {
	argv := config.Get("argv")
	if argv == nil || len(args) == 0 {
		return source.Pos{}, false
	}
	start := shellAt(args)
	if argv.Kind != source.List { // a list that is computed as a whole
		return argv.Pos, start >= 0 || slices.Contains(launchers, program(args[0]))
	}
	items := argv.Items
	if start < 0 || start >= len(items) {
		return launched(items, program(args[0]))
	}
	if v := config.Get("env").Get("BASH_ENV"); v != nil && computed(v) { // bash expands it
		return v.Pos, true
	}
	if slices.Contains(whole, program(args[start])) {
		return wholly(items[start+1:])
	}
	script, inline := scriptOf(items, start)
	for _, v := range items[start+1 : min(script+1, len(items))] {
		if computed(v) {
			return v.Pos, true
		}
	}
	// Without a script among its arguments a shell reads standard input.
	if stdin := config.Get("stdin"); stdin != nil && computed(stdin) && (script >= len(items) || !inline && items[script].Str == "-") {
		return stdin.Pos, true
	}
	return source.Pos{}, false
}

// shellAt is the index of the shell that arguments start, -1 if they start none.
func shellAt(args []string) int {
	switch {
	case isShell(args[0]):
		return 0
	case slices.Contains(wrappers, program(args[0])):
		return slices.IndexFunc(args, isShell)
	}
	return -1
}

// launched finds a {{ }} in the arguments of programs that make a command line of one
// of them by themselves: env -S, su -c, watch.
func launched(items []*source.Value, name string) (source.Pos, bool) {
	if !slices.Contains(launchers, name) {
		return source.Pos{}, false
	}
	for i, v := range items[1:] {
		split := strings.HasPrefix(v.Str, "-S") || strings.HasPrefix(v.Str, "--split-string") || strings.HasPrefix(v.Str, "-vS")
		asks := name == "watch" || v.Str == "-c" || strings.HasPrefix(v.Str, "--command") || strings.HasPrefix(v.Str, "--session-command") || name == "env" && split
		if !asks {
			continue
		}
		if at, found := wholly(items[i+1:]); found {
			return at, true
		}
	}
	return source.Pos{}, false
}

// wholly finds the first {{ }} of arguments all of which are script.
func wholly(items []*source.Value) (source.Pos, bool) {
	for i, v := range items {
		if i > 0 && (strings.EqualFold(items[i-1].Str, "-file") || strings.EqualFold(items[i-1].Str, "-f")) {
			return source.Pos{}, false // what follows are the arguments of a file
		}
		if computed(v) {
			return v.Pos, true
		}
	}
	return source.Pos{}, false
}

// scriptOf returns the index of a shell's script behind start, that of -c or the
// name of a file; len(items) if there is none.
func scriptOf(items []*source.Value, start int) (index int, inline bool) {
	for i := start + 1; i < len(items); i++ {
		s := items[i].Str
		switch option := strings.HasPrefix(s, "-") && s != "-" || strings.HasPrefix(s, "+"); {
		case strings.EqualFold(s, "/c"), strings.EqualFold(s, "/k"), strings.EqualFold(s, "-command"), s == "--command":
			return len(items) - 1, true // what follows is one script, all of it
		case option && !strings.HasPrefix(s, "--") && strings.Contains(s, "c"):
			inline = true
		case option && !strings.HasPrefix(s, "--") && strings.HasSuffix(s, "s"):
			return len(items), false // -s: the script is standard input
		case option && (strings.HasSuffix(s, "o") || strings.HasSuffix(s, "O")), s == "--rcfile", s == "--init-file":
			i++ // it has a value
		case option:
		default:
			return i, inline
		}
	}
	return len(items), inline
}
