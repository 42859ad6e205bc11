package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

// SetupLife is how long a setup code can be used.
const SetupLife = 30 * time.Minute

// setup is the one-time code by which the first administrator is made.
type setup struct {
	mu    sync.Mutex
	hash  [sha256.Size]byte
	until time.Time // zero = there is no code
}

// NewSetupCode returns a fresh code, in place of an earlier one. It is for who
// started the server; only its hash is kept.
func (s *Service) NewSetupCode() string {
	code := access.NewToken()
	s.setup.mu.Lock()
	defer s.setup.mu.Unlock()
	s.setup.hash, s.setup.until = access.HashToken(code), s.o.Clock.Now().Add(SetupLife)
	return code
}

// SetupOpen reports whether there is a code that can be used.
func (s *Service) SetupOpen() bool {
	s.setup.mu.Lock()
	defer s.setup.mu.Unlock()
	return s.o.Clock.Now().Before(s.setup.until)
}

// SetUp makes the first administrator, who is logged in at once. code is the one
// that NewSetupCode returned last. It returns setup_code_invalid, already_set_up
// or invalid_input.
func (s *Service) SetUp(ctx context.Context, code string, a Attempt) (Entrance, error) {
	if wait := s.addresses.begin(network(a.Remote), s.o.Clock.Now()); wait > 0 {
		return Entrance{}, fault.New(fault.TooManyRequests, "too many codes were wrong").WithRetryAfter(wait)
	}
	given := access.HashToken(code)
	s.setup.mu.Lock()
	right := subtle.ConstantTimeCompare(given[:], s.setup.hash[:]) == 1 && s.o.Clock.Now().Before(s.setup.until)
	s.setup.mu.Unlock()
	if !right {
		return Entrance{}, fault.New(fault.SetupCodeInvalid, "the setup code is wrong, used or older than 30 minutes")
	}
	s.addresses.pardon(network(a.Remote))
	if !access.UserName.MatchString(a.Name) {
		return Entrance{}, fault.New(fault.InvalidInput, "this cannot be a user's name").
			At("/name", "pattern", "must have 1 to 128 of a-z, 0-9 and . _ @ + -, beginning with a letter or digit")
	}
	hash, err := s.HashPassword(ctx, a.Name, a.Password)
	if err != nil {
		return Entrance{}, err
	}
	now := s.o.Clock.Now().UTC().Truncate(time.Millisecond) // as it will be read back
	u := access.User{
		ID: id.New(id.User, now), Tenant: access.DefaultTenant, Name: a.Name, Roles: []access.Role{access.Admin}, PasswordHash: hash,
		CreatedBy: "setup", Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	u, err = s.o.Store.Users.SetUp(ctx, store.PutUser{User: u, Audit: &audit.Entry{
		Tenant: u.Tenant, At: now, Action: audit.SetUp, Object: u.ID, ObjectName: u.Name, After: s.Digest(u),
		Detail: map[string]string{"roles": string(access.Admin)},
		Actor:  audit.Actor{Name: "setup", Remote: a.Remote, RequestID: a.RequestID},
	}})
	if err == nil || fault.Is(err, fault.AlreadySetUp) {
		s.CloseSetup()
	}
	if err != nil {
		return Entrance{}, err
	}
	return s.Enter(ctx, u, a, "setup")
}

// CloseSetup makes the code useless.
func (s *Service) CloseSetup() {
	s.setup.mu.Lock()
	defer s.setup.mu.Unlock()
	s.setup.until = time.Time{}
}
