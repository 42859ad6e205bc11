package command

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/run"
)

func TestParseLine(t *testing.T) {
	t.Parallel()
	progress := func(done, total int64, stage string) *message {
		return &message{verb: verbProgress, progress: run.Progress{Done: done, Total: total, Stage: stage}}
	}
	for in, want := range map[string]*message{
		"::progress 3/10 loading":                     progress(3, 10, "loading"),
		"::progress 3/10 loading the model\r\n":       progress(3, 10, "loading the model"),
		"::progress 3/10\n":                           progress(3, 10, ""),
		"::progress  3/10  x ":                        progress(3, 10, "x"),
		"::progress 3":                                progress(3, 0, ""),
		"::progress 7 files":                          progress(7, 0, "files"),
		"::progress 0/1":                              progress(0, 1, ""),
		"::progress 1/0":                              nil,
		"::progress 11/10":                            nil,
		"::progress -1/10":                            nil,
		"::progress 3/":                               nil,
		"::progress 3/10x":                            nil,
		"::progress":                                  nil,
		"::progress x":                                nil,
		"::progress 1234567890123456789/10":           nil,
		"::progress 3/10 \xff\x00":                    progress(3, 10, "\uFFFD\uFFFD"),
		"::output key=value":                          {verb: verbOutput, key: "key", value: "value"},
		"::output a.b-c_1= x = y \r\n":                {verb: verbOutput, key: "a.b-c_1", value: " x = y "},
		"::output key=":                               {verb: verbOutput, key: "key"},
		"::output key=\xff":                           {verb: verbOutput, key: "key", value: "\uFFFD"},
		"::output =value":                             nil,
		"::output key":                                nil,
		"::output 1key=v":                             nil,
		"::output a b=v":                              nil,
		"::output " + strings.Repeat("k", 129) + "=v": nil,
		"::checkpoint item 4\n":                       {verb: verbCheckpoint, value: "item 4"},
		"::checkpoint":                                nil,
		"::checkpoint ":                               nil,
		"::skip":                                      {verb: verbSkip},
		"::skip nothing new\n":                        {verb: verbSkip, value: "nothing new"},
		"::skipped":                                   nil,
		"::unknown x":                                 nil,
		":: progress 3/10":                            nil,
		":progress 3/10":                              nil,
		" ::progress 3/10":                            nil,
		"::PROGRESS 3/10":                             nil,
		"::":                                          nil,
		"":                                            nil,
		"::output k=" + strings.Repeat("v", maxLine): nil,
	} {
		got, ok := parseLine([]byte(in))
		if ok != (want != nil) {
			t.Errorf("%.60q: ok is %v: %+v", in, ok, got)
		} else if ok {
			if d := cmp.Diff(*want, got, cmp.AllowUnexported(message{})); d != "" {
				t.Errorf("%.60q: %s", in, d)
			}
		}
	}
}

// Whatever a program prints: no panic, storable text, the log complete, and the
// same messages however the output is cut into pieces.
func FuzzStream(f *testing.F) {
	f.Add([]byte("::progress 3/10 x\n::output a=b\r\nplain\n\n::skip"), 1)
	f.Add([]byte("::output a=\xff\x00\n"), 3)
	f.Add(bytes.Repeat([]byte("0123456789"), maxLine/5), 1000)
	f.Fuzz(func(t *testing.T, out []byte, piece int) {
		piece = max(1, piece%5000)
		var whole, cut []message
		read := func(to *[]message, step int) string {
			var log bytes.Buffer
			s := &stream{log: &logger{w: &log}, line: func(l []byte) {
				if m, ok := parseLine(l); ok {
					*to = append(*to, m)
				}
			}}
			for rest := out; len(rest) > 0; {
				n := min(step, len(rest))
				_, _ = s.Write(rest[:n])
				s.tick()
				if len(s.held) > maxLine {
					t.Fatalf("%d bytes held", len(s.held))
				}
				rest = rest[n:]
			}
			s.end()
			return log.String()
		}
		a, b := read(&whole, max(1, len(out))), read(&cut, piece)
		if strings.TrimSuffix(a, "\n") != strings.TrimSuffix(string(out), "\n") && a != string(out)+"\n" && a != string(out) {
			t.Errorf("the log is not what was printed")
		}
		if strings.TrimSuffix(a, "\n") != strings.TrimSuffix(b, "\n") {
			t.Error("the log depends on the pieces")
		}
		if d := cmp.Diff(whole, cut, cmp.AllowUnexported(message{})); d != "" {
			t.Error(d)
		}
		for _, m := range whole {
			for _, s := range []string{m.key, m.progress.Stage} {
				if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
					t.Errorf("%q cannot be stored", s)
				}
			}
			if m.verb != verbCheckpoint && (!utf8.ValidString(m.value) || strings.ContainsRune(m.value, 0)) {
				t.Errorf("%q cannot be stored", m.value)
			}
		}
	})
}

// Two streams share a log without tearing lines apart.
func TestStreamsKeepLinesWhole(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	l := &logger{w: &log}
	a, b := &stream{log: l}, &stream{log: l}
	for _, w := range []struct {
		s *stream
		p string
	}{{a, "one "}, {b, "two "}, {a, "uno\nthree "}, {b, "dos\n"}} {
		if n, err := w.s.Write([]byte(w.p)); n != len(w.p) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	a.end()
	b.end()
	if d := cmp.Diff("one uno\ntwo dos\nthree \n", log.String()); d != "" {
		t.Error(d)
	}
}

// An incomplete line appears after it rested for a tick, and only once.
func TestTickShowsPrompts(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := &stream{log: &logger{w: &log}}
	_, _ = s.Write([]byte("name? "))
	s.tick()
	if log.Len() > 0 {
		t.Errorf("too early: %q", log.String())
	}
	s.tick()
	s.tick()
	if log.String() != "name? " {
		t.Errorf("got %q", log.String())
	}
	_, _ = s.Write([]byte("x\n"))
	s.end()
	if log.String() != "name? x\n" {
		t.Errorf("got %q", log.String())
	}
}
