package blob_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/blob/blobtest"
)

func TestFolder(t *testing.T) {
	blobtest.Run(t, blobtest.Harness{
		Large: 1 << 20,
		Open: func(t *testing.T, o blob.Options) (blob.Store, func(string, []byte)) {
			t.Helper()
			f, root := setup(t, o)
			return f, func(sum string, content []byte) {
				if err := os.WriteFile(filepath.Join(root, sum[:2], sum[2:4], sum), content, 0o600); err != nil {
					t.Error(err)
				}
			}
		},
	})
}

func TestFolderShelf(t *testing.T) {
	t.Parallel()
	f, _ := setup(t, blob.Options{})
	blobtest.RunShelf(t, f)
}
