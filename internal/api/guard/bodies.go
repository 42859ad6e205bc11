package guard

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
)

const (
	// smallBody is the size up to which a body costs nobody a thought, in bytes.
	smallBody = 64 << 10
	// readingBodies may arrive at a time. One that comes by drops holds its place
	// until the server's time limit for requests.
	readingBodies = 48
	// workingBodies may be parsed and stored at a time: a document in memory takes
	// many times the size of its text.
	workingBodies = 8
	// bodyPatience is how long a request waits for a place.
	bodyPatience = 10 * time.Second
)

// Bodies bounds the memory that large request bodies take, however many arrive
// together. Small ones pass freely. It is safe for concurrent use.
type Bodies struct {
	clock            clock.Clock
	meter            Meter
	reading, working chan struct{}
}

// NewBodies returns bounds with free places. A nil meter counts nothing.
func NewBodies(c clock.Clock, m Meter) *Bodies {
	if m == nil {
		m = noMeter{}
	}
	return &Bodies{clock: c, meter: m, reading: make(chan struct{}, readingBodies), working: make(chan struct{}, workingBodies)}
}

// Hold is the place that a large body has while its request is worked on. The
// zero value is none.
type Hold struct{ place chan struct{} }

// Free gives the place back; more than once is the same as once.
func (h *Hold) Free() {
	if h.place != nil {
		<-h.place
		h.place = nil
	}
}

// Read returns all that r yields; size is what the client says it will be, -1 =
// nothing. A large body gets a place, which the caller frees when it is done
// with the body. The error is r's, or a fault with code too_many_requests after
// waiting for a place in vain.
func (b *Bodies) Read(ctx context.Context, h *Hold, r io.Reader, size int64) ([]byte, error) {
	if size < 0 || size > smallBody {
		size = smallBody
	}
	// One more than the size, so that the end is seen without growing.
	buf := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	n, err := io.CopyN(buf, r, smallBody)
	if n < smallBody {
		if err == io.EOF { //nolint:errorlint // CopyN's own
			err = nil
		}
		return buf.Bytes(), err
	}
	if err := b.enter(ctx, b.reading); err != nil {
		return nil, err
	}
	_, err = buf.ReadFrom(r)
	if err == nil {
		if err = b.enter(ctx, b.working); err == nil {
			h.place = b.working
		}
	}
	<-b.reading
	return buf.Bytes(), err
}

func (b *Bodies) enter(ctx context.Context, place chan struct{}) error {
	select {
	case place <- struct{}{}:
		return nil
	default:
	}
	t := b.clock.NewTimer(bodyPatience)
	defer t.Stop()
	select {
	case place <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C():
	}
	b.meter.Refuse("bodies")
	return fault.New(fault.TooManyRequests, "too many large bodies arrive at a time")
}
