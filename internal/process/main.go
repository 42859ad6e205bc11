package process

// Hidden first arguments of the binary. They are not commands: they talk to
// their parent over inherited pipes and refuse to run without them.
const (
	// ShimArg makes the binary a supervisor.
	ShimArg = "__supervise"
	// ExecArg makes the binary prepare itself and become the command.
	ExecArg = "__exec"
)

// Main runs the supervisor when args, the arguments without the program's name,
// ask for it, and reports whether they did. The caller then leaves main at once.
// It must be called before anything else is set up, because a supervisor must
// not open the database or read a configuration.
func Main(args []string) (handled bool) {
	if len(args) == 0 {
		return false
	}
	switch args[0] {
	case ShimArg:
		superviseMain(args[1:])
	case ExecArg:
		execMain()
	default:
		return false
	}
	return true
}
