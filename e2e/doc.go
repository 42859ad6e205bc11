// Package e2e drives the real binary on 127.0.0.1, on both databases: crashes,
// restarts, and what a user does. It knows nothing but the product's commands
// and its API.
package e2e
