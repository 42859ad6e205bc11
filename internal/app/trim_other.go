//go:build !linux

package app

// trim does nothing here.
func trim() {}
