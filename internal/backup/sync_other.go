//go:build !unix

package backup

// syncFolder does nothing: folders cannot be synced here.
func syncFolder(string) error { return nil }
