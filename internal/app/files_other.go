//go:build !unix

package app

// connLimit is not bounded by open files here.
func connLimit() int { return maxConns }
