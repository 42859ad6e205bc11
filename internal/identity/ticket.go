package identity

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/fault"
)

// TicketLife is how long a ticket can be used.
const TicketLife = 30 * time.Second

// maxTickets bounds the tickets that nobody has used yet, ownTickets those of one
// credential, so that nobody takes those of all others.
const (
	maxTickets = 1000
	ownTickets = 20
)

// tickets stand for a credential where it must not be written, in a URL, once and
// on the instance that gave them. The zero value is ready.
type tickets struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]ticket
}

type ticket struct {
	of    access.Credential
	until time.Time
}

// NewTicket returns a ticket for a credential that was just shown and found
// good. too_many_requests when too many are unused.
func (s *Service) NewTicket(c access.Credential) (string, error) {
	now, text := s.o.Clock.Now(), access.NewToken()
	s.tickets.mu.Lock()
	defer s.tickets.mu.Unlock()
	own := 0
	for h, t := range s.tickets.all {
		if !now.Before(t.until) {
			delete(s.tickets.all, h)
		} else if t.of == c {
			own++
		}
	}
	if own >= ownTickets || len(s.tickets.all) >= maxTickets {
		return "", fault.New(fault.TooManyRequests, "too many tickets have not been used").WithRetryAfter(TicketLife)
	}
	if s.tickets.all == nil {
		s.tickets.all = map[[sha256.Size]byte]ticket{}
	}
	s.tickets.all[access.HashToken(text)] = ticket{c, now.Add(TicketLife)}
	return text, nil
}

// Redeem returns the credential of a ticket, which is used up then. It returns
// unauthorized when the ticket is unknown, used or too old.
func (s *Service) Redeem(text string) (access.Credential, error) {
	h, now := access.HashToken(text), s.o.Clock.Now()
	s.tickets.mu.Lock()
	defer s.tickets.mu.Unlock()
	t, ok := s.tickets.all[h]
	delete(s.tickets.all, h)
	if !ok || !now.Before(t.until) {
		return access.Credential{}, fault.New(fault.Unauthorized, "the ticket is unknown, used or too old")
	}
	return t.of, nil
}
