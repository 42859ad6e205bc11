// Package filelock keeps a second process out of a folder. The operating system
// frees the lock when the process ends, however it ends, so a lock that is held
// proves a living holder. Network file systems do not give that guarantee.
package filelock
