package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
	"github.com/spf13/cobra"
)

// encryptFlag adds --encrypt-to.
func encryptFlag(c *cobra.Command, recipient *string) {
	c.Flags().StringVar(recipient, "encrypt-to", "", "encrypt for this age `recipient`, age1...")
}

// parseRecipient reads the value of --encrypt-to; nil = not encrypted.
func parseRecipient(text string) (age.Recipient, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // nil means that nothing is encrypted
	}
	to, err := age.ParseX25519Recipient(text)
	if err != nil {
		return nil, usagef("--encrypt-to must be an age recipient, age1...: %v", err)
	}
	return to, nil
}

// encrypted returns what encrypts for to on the way to w, or only buffers when to
// is nil. Nothing is whole before finish was called.
func encrypted(w io.Writer, to age.Recipient) (sink io.Writer, finish func() error, err error) {
	buffered := bufio.NewWriterSize(w, 256<<10)
	if to == nil {
		return buffered, buffered.Flush, nil
	}
	enc, err := age.Encrypt(buffered, to)
	if err != nil {
		return nil, nil, fmt.Errorf("encrypt: %w", err)
	}
	return enc, func() error { return errors.Join(enc.Close(), buffered.Flush()) }, nil
}

// writeNew makes a file for its owner only, which gets its name when it is whole.
// It never replaces one.
func writeNew(path string, write func(io.Writer) error) error {
	if _, err := os.Lstat(path); err == nil {
		return usagef("%s exists already", path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".partial-*") // mode 0600
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	if err = write(tmp); err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		// A link, unlike a rename, never replaces what came there meanwhile.
		if err = os.Link(tmp.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
			err = os.Rename(tmp.Name(), path) // a file system without links
		}
	}
	if rerr := os.Remove(tmp.Name()); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// openBackup opens a backup, decrypting it if need be.
func openBackup(path, identity string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("open the backup: %v", err)
	}
	r := bufio.NewReaderSize(f, 256<<10)
	if head, _ := r.Peek(len(ageHead)); string(head) != ageHead {
		return opened{r, f}, nil
	}
	fail := func(err error) (io.ReadCloser, error) { return nil, errors.Join(err, f.Close()) }
	if identity == "" {
		return fail(&usage{text: path + " is encrypted", hint: "name the file with your age identity with --identity"})
	}
	keys, err := os.Open(identity)
	if err != nil {
		return fail(usagef("open the identity: %v", err))
	}
	ids, err := age.ParseIdentities(keys)
	if err = errors.Join(err, keys.Close()); err != nil {
		return fail(usagef("read the identity: %v", err))
	}
	plain, err := age.Decrypt(r, ids...)
	if err != nil {
		return fail(usagef("decrypt %s: %v", path, err))
	}
	return opened{plain, f}, nil
}

const ageHead = "age-encryption.org/v1"

type opened struct {
	io.Reader
	io.Closer
}
