package extract

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// Arg is the hidden first argument of the binary that makes it a reader of one
// document, which comes on standard input.
const Arg = "__extract"

// Bounds of the child.
const (
	// maxInput bounds what the child reads.
	maxInput = 64 << 20
	// softMemory is where the garbage collector begins to work hard, hardMemory
	// where the child gives up.
	softMemory = 256 << 20
	hardMemory = 512 << 20
	watchEvery = 20 * time.Millisecond
	// deepest bounds the stack of recursions.
	deepest = 64 << 20
)

// Exit codes of the child.
const (
	exitMemory = 3
	exitUsage  = 4
)

// request is the first line that the child reads; the document follows.
type request struct {
	Kind    Kind   `json:"kind"`
	Charset string `json:"charset,omitempty"`
	Size    int    `json:"size"`
}

// answer is what the child writes. Error is one of the errors' texts.
type answer struct {
	Document *Document `json:"document,omitempty"`
	Error    string    `json:"error,omitempty"`
}

// Main reads one document if args, the arguments without the program's name, ask
// for it, and reports whether they did. The caller then leaves main at once.
func Main(args []string) (handled bool) {
	if len(args) == 0 || args[0] != Arg {
		return false
	}
	debug.SetMemoryLimit(softMemory)
	debug.SetMaxStack(deepest)
	go watchMemory()
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "runsheet: this argument is for internal use")
		os.Exit(exitUsage)
	}
	return true
}

// watchMemory ends the process when it has too much. It is the process's last
// goroutine and ends with it.
func watchMemory() {
	clk := clock.System{}
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	for {
		metrics.Read(sample)
		if sample[0].Value.Uint64()+sample[1].Value.Uint64() > hardMemory {
			os.Exit(exitMemory)
		}
		<-clk.NewTimer(watchEvery).C()
	}
}

func serve(in io.Reader, out io.Writer) error {
	r := bufio.NewReader(io.LimitReader(in, maxInput+4096))
	line, err := r.ReadSlice('\n')
	if err != nil {
		return errors.New("no request")
	}
	var q request
	if err := json.Unmarshal(line, &q); err != nil || q.Size < 0 || q.Size > maxInput {
		return errors.New("no request")
	}
	data := make([]byte, q.Size)
	if _, err := io.ReadFull(r, data); err != nil {
		return errors.New("the document is cut off")
	}
	var a answer
	if d, err := read(q, data); err != nil {
		a.Error = err.Error()
	} else {
		a.Document = &d
	}
	return json.NewEncoder(out).Encode(a)
}

// read is what the child is for. A panic of a parser is a broken document.
func read(q request, data []byte) (d Document, err error) {
	defer func() {
		if recover() != nil {
			d, err = Document{}, ErrBroken
		}
	}()
	switch q.Kind {
	case HTML:
		return readHTML(data, q.Charset)
	case PDF:
		return readPDF(data)
	case Plain, Markdown:
	}
	return Document{}, ErrKind
}
