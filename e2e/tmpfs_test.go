//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// disk is a small file system in memory.
type disk struct {
	t   testing.TB
	dir string
	// fillers are files that take space.
	fillers int
}

// newDisk mounts a tmpfs of some MiB at dir, for the length of the test. Where
// that is forbidden, the test is skipped, in CI it fails.
func newDisk(t testing.TB, dir string, mib int) *disk {
	t.Helper()
	return mount(t, dir, fmt.Sprintf("size=%dm,mode=0700", mib))
}

func mount(t testing.TB, dir, options string) *disk {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("runsheet-test", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, options)
	switch {
	case errors.Is(err, syscall.EPERM) && os.Getenv("CI") == "":
		t.Skip("SKIPPED, the full disk is not tested: mounting a tmpfs needs root, or: unshare -rm go test ./e2e -run", t.Name())
	case err != nil:
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return &disk{t: t, dir: dir}
}

// fill writes until the disk has no space left, and does so again as long as
// more is to be had.
func (d *disk) fill() {
	d.t.Helper()
	for taken := 1; taken > 0; {
		d.fillers++
		f, err := os.Create(filepath.Join(d.dir, fmt.Sprintf("filler-%d", d.fillers)))
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err != nil {
			d.t.Fatal(err)
		}
		taken = 0
		for block := make([]byte, 64<<10); ; {
			n, err := f.Write(block)
			taken += n
			if errors.Is(err, syscall.ENOSPC) {
				break
			}
			if err != nil {
				d.t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			d.t.Fatal(err)
		}
	}
}

// free gives back what fill took.
func (d *disk) free() {
	d.t.Helper()
	for ; d.fillers > 0; d.fillers-- {
		if err := os.Remove(filepath.Join(d.dir, fmt.Sprintf("filler-%d", d.fillers))); err != nil && !os.IsNotExist(err) {
			d.t.Fatal(err)
		}
	}
}

// TestDiskFullWithoutRoot runs a test of this file's kind in a user namespace, as
// somebody would who is not root.
func TestDiskFullWithoutRoot(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs another test binary")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "unshare", "-rm", "true").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no user namespaces here: %v %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "unshare", "-rm", self, "-test.run", "^TestLogsDiskFull$", "-test.v", "-test.timeout", "4m")
	cmd.Env = append(os.Environ(), "CI=1") // a skip would prove nothing
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("in a user namespace: %v\n%s", err, out)
	}
}
