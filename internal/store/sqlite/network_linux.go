package sqlite

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// network names the network file system that holds the folder of path.
func network(path string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &st); err != nil {
		return "", fmt.Errorf("look at the file system of %s: %w", path, err)
	}
	name, _ := networkName(uint32(st.Type)) //nolint:gosec // the magic numbers have 32 bits
	return name, nil
}

// networkName names the file systems that are refused, by the numbers in
// statfs(2). 9p serves folders of the host to virtual machines.
func networkName(magic uint32) (string, bool) {
	switch magic {
	case unix.NFS_SUPER_MAGIC:
		return "NFS", true
	case unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return "SMB", true
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS", true
	case unix.CODA_SUPER_MAGIC:
		return "Coda", true
	case unix.CEPH_SUPER_MAGIC:
		return "Ceph", true
	case unix.V9FS_MAGIC:
		return "9p", true
	}
	return "", false
}
