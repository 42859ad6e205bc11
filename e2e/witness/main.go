// Command witness is the independent observer of the crash tests: a job that
// reports to a file of its own, never to the system under test.
//
//	witness DIR MILLIS [fork|chat|tree=SHAPE|lock=NAME|on]...
//
// It locks DIR/<job id>.lock for as long as any of its processes lives, so that
// a second attempt that runs beside the first, or beside its orphans, is seen
// as an overlap; and with lock=NAME, the name of a lock that the job holds,
// DIR/NAME.lock in the same way. It appends one line for each start, overlap and
// end to DIR/log:
//
//	WHAT JOB RUN ATTEMPT PID EPOCH WHERE AT KEY HOLDER
//
// WHERE is the data folder of the server that started it, AT are nanoseconds of
// the machine's monotonic clock. KEY of a start is the NAME of lock=NAME. KEY and
// HOLDER of an overlap are what is locked and the run that holds it. All others
// are "-".
//
// After an overlap it ends with exit code 3. With the word on it goes on, says
// effect every 100 ms, and reports progress to the server as often.
//
// With fork it leaves a background child in a session of its own that would
// outlive everything, and holds the locks too. With tree=SHAPE the children are
// of another kind, see tree.go. With chat it writes 200 kB to its output.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 3 {
		fail("usage: witness DIR MILLIS [fork|chat|tree=SHAPE|lock=NAME|on]...")
	}
	dir := os.Args[1]
	ms, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fail(err)
	}
	if len(os.Args) == 4 && strings.HasPrefix(os.Args[3], "child=") {
		child(strings.TrimPrefix(os.Args[3], "child="), time.Duration(ms)*time.Millisecond)
		return
	}
	shape, lock := "", "-"
	var chat, on bool
	keys := []string{os.Getenv("RUNSHEET_JOB_ID")}
	for _, arg := range os.Args[3:] {
		word, value, _ := strings.Cut(arg, "=")
		switch word {
		case "fork":
			shape = "setsid"
		case "tree":
			shape = value
		case "lock":
			lock = value
			keys = append(keys, value)
		case "chat":
			chat = true
		case "on":
			on = true
		}
	}
	var locks []*os.File
	for _, key := range keys {
		if f := take(dir, key); f != nil {
			locks = append(locks, f)
		} else if !on {
			os.Exit(3)
		}
	}
	if shape != "" {
		plant(shape, dir, locks)
	}
	say(dir, "start", lock, "-")
	fmt.Println("::progress 1/2 working")
	if chat {
		for range 2000 {
			fmt.Println("a line of a hundred bytes, such as jobs write by the thousand when they have nothing better to say..")
		}
	}
	if shape == "leave" {
		say(dir, "end", "-", "-")
		return // what was planted is still there
	}
	for left := time.Duration(ms) * time.Millisecond; left > 0; left -= 100 * time.Millisecond {
		if !on {
			time.Sleep(left)
			break
		}
		time.Sleep(min(left, 100*time.Millisecond))
		say(dir, "effect", "-", "-")
		fmt.Printf("::progress %d/%d working\n", ms-int(left.Milliseconds()), ms)
	}
	say(dir, "end", "-", "-")
}

// take locks a key for this process and its children. nil means that it is
// taken, which was said.
func take(dir, key string) *os.File {
	f, err := os.OpenFile(filepath.Join(dir, strings.ReplaceAll(key, "/", "_")+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		fail(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, err := os.ReadFile(f.Name())
		if err != nil || len(holder) == 0 {
			holder = []byte("unknown")
		}
		say(dir, "overlap", key, strings.TrimSpace(string(holder)))
		_ = f.Close()
		return nil
	}
	// In place, because whoever comes now reads it.
	if _, err := f.WriteAt([]byte(os.Getenv("RUNSHEET_RUN_ID")), 0); err != nil {
		fail(err)
	}
	return f
}

// say appends one line in one write. There is no lock around it, which a frozen
// witness would keep from all others.
func say(dir, what, key, holder string) {
	f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		fail(err)
	}
	defer f.Close()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		fail(err)
	}
	// DATA/work/RUN/checkpoint
	where := filepath.Dir(filepath.Dir(filepath.Dir(os.Getenv("RUNSHEET_CHECKPOINT"))))
	line := strings.Join([]string{
		what, os.Getenv("RUNSHEET_JOB_ID"), os.Getenv("RUNSHEET_RUN_ID"), os.Getenv("RUNSHEET_ATTEMPT"), strconv.Itoa(os.Getpid()),
		os.Getenv("RUNSHEET_EPOCH"), where, strconv.FormatInt(ts.Nano(), 10), key, holder,
	}, " ") + "\n"
	if _, err := f.WriteString(line); err != nil {
		fail(err)
	}
}

func fail(v any) {
	fmt.Fprintln(os.Stderr, "witness:", v)
	os.Exit(4)
}
