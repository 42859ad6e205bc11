//go:build unix

// Command pg starts a throwaway PostgreSQL server, prints the URL of an empty
// database, and ends with all of it when its standard input closes. The browser
// tests, which are not Go, use it.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/runsheet/runsheet/internal/testsvc"
)

func main() {
	url, err := testsvc.ServePostgres()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if _, err := fmt.Fprintln(os.Stdout, url); err != nil {
		os.Exit(1)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until whoever started it is gone
}
