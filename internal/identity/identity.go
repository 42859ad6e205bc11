// Package identity finds out who makes a request, and lets people in: API
// tokens, sessions, passwords, the one-time setup code and tickets.
//
//	who := identity.New(identity.Options{Store: st, Static: given})
//	go who.Run(ctx)                    // writes down when tokens were used
//	p, err := who.Authenticate(ctx, c) // per request
//	in, err := who.Login(ctx, attempt) // name and password to a session
//
// What a principal may do is decided by package access, and by the API for each
// route. Secrets are kept as hashes only: those of tokens and sessions are 256
// random bits, so SHA-256 is enough; passwords are hashed with argon2id.
//
// An answer of the store is believed for two seconds, so a revoked token, an
// ended session and a changed role take effect within that time on every
// instance. Limits (throttling of logins, rates of tokens) are counted by each
// instance for itself.
package identity

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

// Options are what New needs. Store must be given.
type Options struct {
	Store store.Store
	// Static are tokens that were given at start; they have no row.
	Static access.Static
	// Digest makes the hash of a user's representation for audit entries; nil =
	// entries carry none.
	Digest func(access.User) string
	Clock  clock.Clock  // nil = the system's
	Logger *slog.Logger // nil = nothing is logged
}

// Bounds of what is remembered.
const (
	believe  = 2 * time.Second
	maxKnown = 10_000
	// useEvery is the precision of "last used".
	useEvery   = time.Minute
	flushEvery = 10 * time.Second
	purgeEvery = 10 * time.Minute
)

// Service is the one place that knows credentials. It is safe for concurrent
// use.
type Service struct {
	o         Options
	log       *slog.Logger
	passwords *passwords
	names     *throttle // failed logins by user name
	addresses *throttle // failed logins by address
	setup     setup
	tickets   tickets
	rates     rates

	mu       sync.Mutex
	known    map[secret]known
	tokens   map[string]time.Time // uses that are not written yet
	sessions map[string]time.Time
}

// secret is what was shown, as its hash. A session's secret is no token, nor the
// reverse: a token needs no page of ours behind it.
type secret struct {
	session bool
	hash    [sha256.Size]byte
}

// known is what the store said of a credential, until when it is believed and
// until when it holds at all.
type known struct {
	who   access.Principal
	until time.Time
	ends  time.Time // zero = never
	used  time.Time // as written, or about to be
}

// New returns a service.
func New(o Options) *Service {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{
		o: o, log: o.Logger, passwords: newPasswords(),
		names: newThrottle(nameLimit), addresses: newThrottle(addressLimit),
		known: map[secret]known{}, tokens: map[string]time.Time{}, sessions: map[string]time.Time{},
	}
}

// Digest is the hash of a user's representation, for audit entries; "" when
// the service cannot make one.
func (s *Service) Digest(u access.User) string {
	if s.o.Digest == nil {
		return ""
	}
	return s.o.Digest(u)
}

// Run writes down uses and removes sessions that are over, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	purged := s.o.Clock.Now()
	for clock.Sleep(ctx, s.o.Clock, flushEvery) == nil {
		if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("cannot record the use of tokens", "error", err)
		}
		if now := s.o.Clock.Now(); now.Sub(purged) >= purgeEvery {
			purged = now
			if _, err := s.o.Store.Sessions.Purge(ctx, now); err != nil && ctx.Err() == nil {
				s.log.Warn("cannot remove sessions that are over", "error", err)
			}
		}
	}
}

// Flush writes down the uses that are not written yet. What cannot be written is
// lost: it would be a minute more exact, at most.
func (s *Service) Flush(ctx context.Context) error {
	s.mu.Lock()
	tokens, sessions := s.tokens, s.sessions
	s.tokens, s.sessions = map[string]time.Time{}, map[string]time.Time{}
	s.mu.Unlock()
	if err := s.o.Store.Tokens.Used(ctx, tokens); err != nil {
		return err
	}
	return s.o.Store.Sessions.Seen(ctx, sessions)
}

// Authenticate returns the principal of a credential. It returns unauthorized
// when the credential is not known or not valid any more, too_many_requests when
// the token's rate is used up, and storage faults as they are: an outage is no
// reason to tell a caller that his token is wrong.
func (s *Service) Authenticate(ctx context.Context, c access.Credential) (access.Principal, error) {
	switch {
	case c.Session != "":
		return s.find(ctx, secret{true, access.HashToken(c.Session)})
	case c.Token == "":
		return access.Principal{}, fault.New(fault.Unauthorized, "no Authorization header and no session").
			WithHint("send Authorization: Bearer <token>")
	}
	if p, ok := s.o.Static.Find(c.Token); ok {
		return p, nil
	}
	if !access.WellFormed(c.Token) {
		return access.Principal{}, unknownToken()
	}
	p, err := s.find(ctx, secret{false, access.HashToken(c.Token)})
	if err != nil {
		return p, err
	}
	return p, s.rates.take(p, s.o.Clock.Now())
}

func unknownToken() error {
	return fault.New(fault.Unauthorized, "the token is not known or not valid any more")
}

// find looks a secret up, in what is still believed or in the store.
func (s *Service) find(ctx context.Context, x secret) (access.Principal, error) {
	now := s.o.Clock.Now()
	s.mu.Lock()
	k, ok := s.known[x]
	s.mu.Unlock()
	if !ok || !now.Before(k.until) {
		read := s.readToken
		if x.session {
			read = s.readSession
		}
		var err error
		if k, err = read(ctx, x.hash, now); err != nil {
			s.forget(x)
			return access.Principal{}, err
		}
		k.until = now.Add(believe)
	}
	if !k.ends.IsZero() && !now.Before(k.ends) {
		s.forget(x)
		return access.Principal{}, unknownToken()
	}
	s.remember(x, k, now)
	return k.who, nil
}

func (s *Service) forget(x secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, x)
}

func (s *Service) remember(x secret, k known, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(k.used) >= useEvery {
		k.used = now
		if x.session {
			s.sessions[k.who.SessionID] = now
		} else {
			s.tokens[k.who.TokenID] = now
		}
	}
	if len(s.known) >= maxKnown {
		clear(s.known) // the store tells again
	}
	s.known[x] = k
}

func (s *Service) readToken(ctx context.Context, hash [sha256.Size]byte, _ time.Time) (known, error) {
	t, err := s.o.Store.Tokens.ByHash(ctx, hash)
	if fault.Is(err, fault.NotFound) {
		return known{}, unknownToken()
	}
	if err != nil {
		return known{}, err
	}
	if !t.RevokedAt.IsZero() {
		return known{}, unknownToken()
	}
	return known{who: t.Principal(), ends: t.ExpiresAt, used: t.LastUsedAt}, nil
}

func (s *Service) readSession(ctx context.Context, hash [sha256.Size]byte, now time.Time) (known, error) {
	v, u, err := s.o.Store.Sessions.ByHash(ctx, hash)
	if err == nil && !v.Valid(s.lastSeen(v, now)) {
		err = fault.New(fault.NotFound, "over")
	}
	if fault.Is(err, fault.NotFound) {
		return known{}, fault.New(fault.Unauthorized, "the session is over").WithHint("log in again")
	}
	if err != nil {
		return known{}, err
	}
	return known{who: u.Principal(v.ID), ends: v.ExpiresAt, used: v.SeenAt}, nil
}

// lastSeen is now, unless a use of the session is known that is not written yet
// and by which it is not idle.
func (s *Service) lastSeen(v access.Session, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if used := s.sessions[v.ID]; used.After(v.SeenAt) && now.Before(v.ExpiresAt) && now.Sub(used) < access.SessionIdle {
		return used
	}
	return now
}
