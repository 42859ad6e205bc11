//go:build unix

// Package testsvc starts throwaway servers for tests: PostgreSQL, PgBouncer and
// Redis from the machine's own binaries (Debian's packages), an S3 server that
// tools/go.mod pins, an OpenID provider from tools/oidcprovider and an Ollama from
// tools/ollama; never a server that somebody else uses.
//
// A server is started by the first test of a test binary that asks for it and
// is shared by the others; what a test gets (a database, a Redis number) is its
// own. Data live in a private temporary folder. A server ends, and its folder
// goes, when the test binary ends, however it ends: a guardian shell holds the
// other end of a pipe of ours and acts when that closes.
//
//	dsn := testsvc.Postgres(t) // a fresh empty database
//
// A missing binary fails the test when the environment variable CI is set and
// skips it otherwise, because a skipped engine must not look like a tested one.
// scripts/setup.sh installs the packages.
package testsvc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long a server may take to answer. A second is usual; the
// rest is for machines that build and test at once.
const startTimeout = 3 * time.Minute

// guardian runs the server given as arguments and stops it, with signal $1,
// when standard input closes. Then it removes folder $2 and ends with all that is
// left of its process group: children that a server forgot. Output goes to a log,
// because "go test" waits for everyone who holds its own.
const guardian = `sig=$1; dir=$2; shift 2
"$@" >>"$dir/log" 2>&1 </dev/null &
pid=$!
echo "$pid" >"$dir/pid"
read -r _
kill -s "$sig" "$pid"
wait "$pid"
rm -rf -- "$dir"
kill -s KILL 0`

// account is the user whom servers run as. PostgreSQL and PgBouncer refuse to
// run as root. The zero value means: as we are.
type account struct{ cred *syscall.Credential }

func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
		}
	}
	return account{}, fmt.Errorf("root needs a user named postgres or nobody to run servers as")
}

// folder makes an empty folder that only the account may read.
func (a account) folder(name string) (string, error) {
	base := os.TempDir()
	// The path of a Unix socket has some 100 characters at most, and root's own
	// temporary folder may be closed to others.
	if len(base) > 40 || a.cred != nil {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "rs-"+name+"-")
	if err != nil {
		return "", err
	}
	if a.cred != nil {
		if err := os.Chown(dir, int(a.cred.Uid), int(a.cred.Gid)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// command prepares argv to run as the account, away from our terminal.
func (a account) command(ctx context.Context, dir string, argv ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir = dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=" + dir}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: a.cred, Setsid: true}
	return c
}

// serve starts a server under a guardian and waits until ready returns nil.
// The server's folder is removed when the server ends.
func (a account) serve(dir string, sig syscall.Signal, ready func(context.Context) error, argv ...string) error {
	c := a.command(context.Background(), dir, slices.Concat([]string{"/bin/sh", "-c", guardian, "guardian", strconv.Itoa(int(sig)), dir}, argv)...)
	// Nobody writes to the pipe or closes our end: the kernel does when we die.
	pipe, err := c.StdinPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	go func() { _ = c.Wait() }() // reaps the guardian if it ends before us
	if err := await(ready); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		_ = pipe.Close()
		return fmt.Errorf("%s does not answer: %w\n%s", filepath.Base(argv[0]), err, tail(string(log), 2000))
	}
	return nil
}

// freeAddr returns an address at which nothing listens, with a port below those that
// the system gives to clients: one of them could take it while the server is down.
func freeAddr() (string, error) {
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))) //nolint:noctx,gosec // only reserves a port number, which is no secret
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", err
		}
		return l.Addr().String(), l.Close()
	}
}

// FreeAddr returns an address for a server that a test starts, and may start again at the
// same address.
func FreeAddr(t testing.TB) string {
	t.Helper()
	addr, err := freeAddr()
	must(t, err)
	return addr
}

// await polls ready until it returns nil or the start timeout is over.
func await(ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// find returns the path of a server's binary: on PATH, or where Debian puts it.
// Of several versions the newest wins.
func find(name string, globs ...string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	for _, g := range globs {
		found, err := filepath.Glob(g)
		if err != nil {
			return "", err
		}
		slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })
		if len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", &missing{name}
}

// missing says that a binary is not installed.
type missing struct{ name string }

func (m *missing) Error() string {
	return m.name + " is not installed: scripts/setup.sh installs what the tests need"
}

// must ends the test when a server could not be had.
func must(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if m, ok := err.(*missing); ok && os.Getenv("CI") == "" { //nolint:errorlint // find returns it bare
		t.Skipf("SKIPPED WITHOUT A TEST: %v", m)
	}
	t.Fatalf("start a server for the test: %v", err)
}

func tail(s string, n int) string {
	if len(s) > n {
		return s[len(s)-n:]
	}
	return s
}
