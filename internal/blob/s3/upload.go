package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"

	"github.com/runsheet/runsheet/internal/blob"
)

// upload writes the content under its name. Bodies are sections of a file, so
// that a request can be repeated and nothing is held in memory.
func (s *Store) upload(ctx context.Context, tmp *blob.Spooled) error {
	key := s.key(tmp.Sum)
	if tmp.Size <= s.o.PartBytes {
		return s.b.put(ctx, key, body{io.NewSectionReader(tmp, 0, tmp.Size), tmp.Size, tmp.Sum})
	}
	upload, err := s.b.begin(ctx, key)
	if err != nil {
		return err
	}
	err = s.parts(ctx, tmp, key, upload)
	if err == nil {
		return nil
	}
	// ctx may have ended, and the parts cost space until they are gone. When this
	// fails too, Sweep finds them.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanGrace)
	defer cancel()
	_ = s.b.abort(ctx, key, upload)
	return err
}

// parts sends the parts and has them put together.
func (s *Store) parts(ctx context.Context, tmp *blob.Spooled, key, upload string) error {
	each := max(s.o.PartBytes, (tmp.Size+maxParts-1)/maxParts)
	var done []minio.CompletePart
	for at := int64(0); at < tmp.Size; at += each {
		section := io.NewSectionReader(tmp, at, min(each, tmp.Size-at))
		h := sha256.New()
		if _, err := io.Copy(h, section); err != nil {
			return fmt.Errorf("read a temporary artifact file: %w", err)
		}
		p, err := s.b.part(ctx, key, upload, len(done)+1, body{section, section.Size(), hex.EncodeToString(h.Sum(nil))})
		if err != nil {
			return err
		}
		done = append(done, p)
	}
	err := s.b.finish(ctx, key, upload, done)
	if code(err) != minio.NoSuchUpload {
		return err
	}
	// The answer to a first request was lost, and the repeated one found the work
	// done. Or it really is lost: look.
	st, look := s.b.stat(ctx, key)
	if look == nil && st.Size == tmp.Size && s.o.Clock.Now().Sub(st.LastModified) < freshFor {
		return nil
	}
	return err
}

// Sweep removes the parts of uploads that a crash has left unfinished a day ago
// or longer, and returns their number.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	n, keyMarker, uploadMarker := 0, "", ""
	before := s.o.Clock.Now().Add(-staleAfter)
	for {
		page, err := s.b.unfinished(ctx, s.o.Place.Prefix, keyMarker, uploadMarker)
		if err != nil {
			return n, s.classify(ctx, err, "look for unfinished uploads in")
		}
		for _, u := range page.Uploads {
			if s.sum(u.Key) == "" || !u.Initiated.Before(before) {
				continue
			}
			if err := s.b.abort(ctx, u.Key, u.UploadID); err != nil && code(err) != minio.NoSuchUpload {
				return n, s.classify(ctx, err, "remove an unfinished upload from")
			}
			n++
		}
		moved := page.NextKeyMarker != keyMarker || page.NextUploadIDMarker != uploadMarker
		if !page.IsTruncated || !moved {
			return n, nil
		}
		keyMarker, uploadMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
}
