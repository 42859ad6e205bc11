package process

// What the server and the shim say to each other: JSON values, one a line, over
// one pipe in each direction. Both ends are the same binary, except during an
// upgrade, when an old shim talks to nobody: its server is gone.

// spec is the command, the first thing that the shim is told.
type spec struct {
	Path   string   `json:"path"`
	Argv   []string `json:"argv"`
	Env    []string `json:"env"`
	Dir    string   `json:"dir"`
	Limits Limits   `json:"limits"`
}

// order is a message to the shim: a spec, or something to do.
type order struct {
	Spec *spec  `json:"spec,omitempty"`
	Do   string `json:"do,omitempty"`
	// Until is when the shim ends the tree by itself unless it hears a later time,
	// by the clock of uptime, in nanoseconds. 0 leaves what was said before.
	Until int64 `json:"until,omitempty"`
}

const (
	doGo   = "go"
	doTerm = "term"
	doKill = "kill"
)

// status is a message from the shim.
type status struct {
	Event string `json:"event"`
	// Code and Signal of the command, with evExited.
	Code   int    `json:"code,omitempty"`
	Signal string `json:"signal,omitempty"`
	// Error says why the command did not start, with evFailed; Permanent that
	// it never will.
	Error     string `json:"error,omitempty"`
	Permanent bool   `json:"permanent,omitempty"`
	// Lapsed says, with evExited, that the shim ended the tree because no word
	// came from the server in time.
	Lapsed bool `json:"lapsed,omitempty"`
}

const (
	evStarted = "started"
	evFailed  = "failed"
	evExited  = "exited"
	evGone    = "gone"
)
