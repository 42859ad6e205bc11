package runlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

type bundle struct {
	*Folder
	dir   string
	run   string
	clock *clocktest.Manual
}

func setup(t *testing.T, maxBytes int64) bundle {
	t.Helper()
	b := bundle{dir: filepath.Join(t.TempDir(), "logs"), run: id.New(id.Run, start), clock: clocktest.New(start)}
	f, err := Open(b.dir, Options{MaxBytes: maxBytes, Clock: b.clock})
	if err != nil {
		t.Fatal(err)
	}
	b.Folder = f
	return b
}

func (b bundle) writer(t *testing.T) *Writer {
	t.Helper()
	w, err := b.Writer(b.run)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (b bundle) read(t *testing.T, n int) string {
	t.Helper()
	r, err := b.Read(t.Context(), b.run, n)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func say(w io.Writer, format string, args ...any) { fmt.Fprintf(w, format, args...) }

func TestWriteAndRead(t *testing.T) {
	t.Parallel()
	b := setup(t, 0)
	w := b.writer(t)
	if _, err := b.Read(t.Context(), b.run, All); !fault.Is(err, fault.LogGone) {
		t.Errorf("a silent run's log: %v", err)
	}
	say(w, "one\ntwo\nthree\n")
	say(w, "fo")
	say(w, "ur")
	for n, want := range map[int]string{All: "one\ntwo\nthree\nfour", 0: "", 1: "four", 2: "three\nfour", 4: "one\ntwo\nthree\nfour", 99: "one\ntwo\nthree\nfour"} {
		if got := b.read(t, n); got != want {
			t.Errorf("last %d lines: %q, want %q", n, got, want)
		}
	}
	say(w, "\n")
	if got := b.read(t, 1); got != "four\n" {
		t.Errorf("last line: %q", got)
	}
	if got, want := w.Close(), (Summary{Bytes: 19}); got != want {
		t.Errorf("Close = %+v, want %+v", got, want)
	}
	say(w, "ignored")
	if got := b.read(t, All); strings.Contains(got, "ignored") {
		t.Error("a closed writer wrote")
	}
	if runtime.GOOS != "windows" {
		st, err := os.Stat(filepath.Join(b.dir, b.run+".log"))
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", st.Mode(), err)
		}
	}
	if err := b.Remove(t.Context(), b.run); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Read(t.Context(), b.run, All); !fault.Is(err, fault.LogGone) {
		t.Errorf("after Remove: %v", err)
	}
	if err := b.Remove(t.Context(), b.run); err != nil {
		t.Errorf("second Remove: %v", err)
	}
}

func TestOnlyRunIDs(t *testing.T) {
	t.Parallel()
	b := setup(t, 0)
	for _, bad := range []string{"", "../../etc/passwd", id.New(id.Job, start), "run_/../../../../../../../etc/x"} {
		_, werr := b.Writer(bad)
		_, rerr := b.Read(t.Context(), bad, All)
		_, ferr := b.Follow(t.Context(), bad, FollowOptions{})
		for _, err := range []error{werr, rerr, ferr, b.Remove(t.Context(), bad)} {
			if !fault.Is(err, fault.WrongIDType) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	}
}

var markRE = regexp.MustCompile(`(?m)^\[runsheet: (\d+) bytes of output were dropped here\]\n`)

// checkCapped checks the law of a capped log: beginning, mark, end, nothing
// else, and the mark says exactly what is missing.
func checkCapped(t *testing.T, got, whole string, sum Summary, maxBytes int) {
	t.Helper()
	m := markRE.FindStringSubmatchIndex(got)
	if m == nil {
		if got != whole {
			t.Fatalf("no mark, but %d of %d bytes", len(got), len(whole))
		}
		if sum.Truncated || sum.Bytes != int64(len(whole)) {
			t.Errorf("summary of a whole log: %+v", sum)
		}
		return
	}
	head, tail := got[:m[0]], got[m[1]:]
	if !strings.HasPrefix(whole, head) && !strings.HasPrefix(whole, strings.TrimSuffix(head, "\n")) {
		t.Error("the beginning is not the beginning")
	}
	if !strings.HasSuffix(whole, tail) || tail == "" {
		t.Error("the end is not the end")
	}
	dropped, err := strconv.Atoi(got[m[2]:m[3]])
	if err != nil {
		t.Fatal(err)
	}
	if missing := len(whole) - len(head) - len(tail); dropped != missing && dropped != missing+1 {
		t.Errorf("the mark says %d, missing are %d", dropped, missing)
	}
	if len(head)+len(tail) > maxBytes {
		t.Errorf("kept %d bytes, the cap is %d", len(head)+len(tail), maxBytes)
	}
	if len(tail) < maxBytes/8 {
		t.Errorf("only %d bytes of the end are kept", len(tail))
	}
	if !sum.Truncated || sum.Bytes != int64(len(whole)-dropped) {
		t.Errorf("summary %+v; kept %d", sum, len(whole)-dropped)
	}
}

func TestCap(t *testing.T) {
	t.Parallel()
	const maxBytes = 8192
	for name, chunk := range map[string]func(i int) string{
		"lines":     func(i int) string { return fmt.Sprintf("line %06d\n", i) },
		"no lines":  func(i int) string { return fmt.Sprintf("%06d,", i) },
		"big lines": func(i int) string { return strings.Repeat(strconv.Itoa(i%10), 3000) + "\n" },
		"huge":      func(i int) string { return strings.Repeat(fmt.Sprintf("part %d\n", i%10), 5000) },
	} {
		for _, total := range []int{1000, 4096, 4100, 6143, 8192, 9000, 50_000, 200_000} {
			t.Run(fmt.Sprintf("%s/%d", name, total), func(t *testing.T) {
				t.Parallel()
				b := setup(t, maxBytes)
				w := b.writer(t)
				var whole strings.Builder
				for i := 0; whole.Len() < total; i++ {
					c := chunk(i)
					whole.WriteString(c)
					say(w, "%s", c)
				}
				open := b.read(t, All)
				sum := w.Close()
				checkCapped(t, open, whole.String(), sum, maxBytes)
				if got := b.read(t, All); got != open {
					t.Error("closing changed the text")
				}
			})
		}
	}
}

func TestTailAcrossParts(t *testing.T) {
	t.Parallel()
	b := setup(t, 4096)
	w := b.writer(t)
	for i := range 1000 {
		say(w, "line %04d\n", i)
	}
	want := "line 0997\nline 0998\nline 0999\n"
	if got := b.read(t, 3); got != want {
		t.Errorf("got %q", got)
	}
	got := b.read(t, 150) // 1500 bytes: reaches over .log.2 and .log.1 into the gap
	if !strings.HasSuffix(got, want) || strings.Count(got, "line ") != 150 {
		t.Errorf("%d lines: %.80q", strings.Count(got, "line "), got)
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	const maxBytes = 4096
	b := setup(t, maxBytes)
	var whole strings.Builder
	var sum Summary
	for i := range 2000 {
		w := b.writer(t) // a new writer for each line, as after a crash
		line := fmt.Sprintf("line %04d\n", i)
		whole.WriteString(line)
		say(w, "%s", line)
		sum = w.Close()
	}
	checkCapped(t, b.read(t, All), whole.String(), sum, maxBytes)
}

func TestCrashBetweenRenameAndCreate(t *testing.T) {
	t.Parallel()
	b := setup(t, 4096)
	w := b.writer(t)
	for i := range 330 {
		say(w, "line %04d\n", i)
	}
	w.Close()
	if err := os.Rename(b.tail(b.run, 2), b.tail(b.run, 1)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.tail(b.run, 2), []byte("runsheet-log-cont"), 0o600); err != nil { // torn header
		t.Fatal(err)
	}
	w = b.writer(t)
	say(w, "after\n")
	w.Close()
	if got := b.read(t, 2); got != "line 0329\nafter\n" {
		t.Errorf("got %q", got)
	}
}

// flaky is a disk that is full while *full is true; half of the write that
// meets the wall gets in.
type flaky struct {
	file
	full *bool
}

func (f flaky) Write(p []byte) (int, error) {
	if !*f.full {
		return f.file.Write(p)
	}
	n, err := f.file.Write(p[:len(p)/2])
	return n, errors.Join(err, syscall.ENOSPC)
}

func TestFullDiskCostsLinesOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, 0)
	w := b.writer(t)
	w.shut()
	full := false
	w.open = func(path string) (file, error) {
		if full {
			return nil, syscall.ENOSPC
		}
		f, err := openFile(path)
		return flaky{f, &full}, err
	}
	say(w, "before\n")
	full = true
	for range 3 {
		if n, err := w.Write([]byte("0123456789\n")); n != 11 || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if got := w.Lost(); got != 33-5 {
		t.Errorf("Lost = %d, want 28", got)
	}
	full = false
	say(w, "after\n")
	sum := w.Close()
	if want := "before\n01234\n" + lossMark(28) + "after\n"; b.read(t, All) != want {
		t.Errorf("got %q\nwant %q", b.read(t, All), want)
	}
	if !sum.Truncated || sum.Lost != 28 {
		t.Errorf("summary %+v", sum)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	b := setup(t, 0)
	done := make(chan struct{})
	r, err := b.Follow(t.Context(), b.run, FollowOptions{Lines: All, Done: done}) // before the log exists
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w := b.writer(t)
	lines := bufio.NewReader(r)
	for i := range 100 {
		say(w, "line %d\n", i)
		if got, err := lines.ReadString('\n'); err != nil || got != fmt.Sprintf("line %d\n", i) {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	late, err := b.Follow(t.Context(), b.run, FollowOptions{Lines: 2, Done: done})
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	say(w, "end")
	w.Close()
	close(done)
	for r, want := range map[io.Reader]string{lines: "end", late: "line 98\nline 99\nend"} {
		if got, err := io.ReadAll(r); err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}

func TestFollowAnotherProcess(t *testing.T) {
	t.Parallel()
	b := setup(t, 0)
	other, err := Open(b.dir, Options{}) // no notification reaches b from here
	if err != nil {
		t.Fatal(err)
	}
	w, err := other.Writer(b.run)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := b.Follow(ctx, b.run, FollowOptions{Lines: All})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make(chan string)
	go func() {
		s := bufio.NewScanner(r)
		for s.Scan() {
			got <- s.Text()
		}
		got <- s.Err().Error()
	}()
	waitForTimer(t, b.clock)
	say(w, "from elsewhere\n")
	b.clock.Advance(DefaultPoll)
	if s := <-got; s != "from elsewhere" {
		t.Errorf("got %q", s)
	}
	waitForTimer(t, b.clock)
	cancel()
	if s := <-got; s != context.Canceled.Error() {
		t.Errorf("after cancel: %q", s)
	}
}

// waitForTimer returns when the code under test sleeps.
func waitForTimer(t *testing.T, c *clocktest.Manual) {
	t.Helper()
	for deadline := t.Context(); c.Timers() == 0; runtime.Gosched() {
		if deadline.Err() != nil {
			t.Fatal("nothing sleeps")
		}
	}
}

// TestFollowWhileRotating reads at full speed what is written at full speed:
// whatever the follower misses must be behind a mark, and the end must arrive.
func TestFollowWhileRotating(t *testing.T) {
	t.Parallel()
	const maxBytes, n = 4096, 20_000
	b := setup(t, maxBytes)
	done := make(chan struct{})
	r, err := b.Follow(t.Context(), b.run, FollowOptions{Lines: All, Done: done})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		w, err := b.Writer(b.run)
		if err != nil {
			return // the reader finds nothing and fails below
		}
		for i := range n {
			say(w, "%08d\n", i)
		}
		w.Close()
		close(done)
	}()
	next, s := 0, bufio.NewScanner(r)
	for s.Scan() {
		line := s.Text()
		if m := markRE.FindStringSubmatch(line + "\n"); m != nil {
			dropped, err := strconv.Atoi(m[1])
			if err != nil || dropped%9 != 0 {
				t.Fatalf("mark %q", line)
			}
			next += dropped / 9
			continue
		}
		if want := fmt.Sprintf("%08d", next); line != want {
			t.Fatalf("line %q, want %q", line, want)
		}
		next++
	}
	if s.Err() != nil || next != n {
		t.Errorf("ended at %d of %d: %v", next, n, s.Err())
	}
}
