package identity

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

// Attempt is a try to log in.
type Attempt struct {
	Name, Password string
	// Remote is the caller's address; failures are counted for it.
	Remote string
	// Agent is what the browser calls itself, for the list of sessions.
	Agent     string
	RequestID string
	// Replaces is the session that the browser has already; "" = none. It ends, so
	// that a session never outlives a login.
	Replaces access.Credential
}

// Entrance is a session that has begun.
type Entrance struct {
	// Secret belongs into the person's cookie and nowhere else.
	Secret  string
	Session access.Session
	User    access.User
}

// String hides the secret from logs.
func (Entrance) String() string { return "********" }

// GoString hides the secret from %#v.
func (Entrance) GoString() string { return "********" }

// Login checks a name and a password and begins a session. It returns
// unauthorized, without saying what is wrong, or too_many_requests with the time
// to wait.
func (s *Service) Login(ctx context.Context, a Attempt) (Entrance, error) {
	name := strings.ToLower(a.Name)
	now := s.o.Clock.Now()
	for _, t := range []struct {
		of  *throttle
		key string
	}{{s.addresses, network(a.Remote)}, {s.names, name}} {
		if wait := t.of.begin(t.key, now); wait > 0 {
			return Entrance{}, fault.New(fault.TooManyRequests, "too many logins have failed").WithRetryAfter(wait)
		}
	}
	u, err := s.o.Store.Users.User(ctx, "", name)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Entrance{}, err
	}
	known := err == nil && u.Name == name && !u.Disabled
	hash := u.PasswordHash
	if !known {
		hash = ""
	}
	ok, err := s.passwords.check(ctx, hash, a.Password)
	if err != nil {
		return Entrance{}, err
	}
	if !ok {
		return Entrance{}, errors.Join(s.failed(ctx, u, known, name, a),
			fault.New(fault.Unauthorized, "the name or the password is wrong"))
	}
	in, err := s.Enter(ctx, u, a, "password")
	if err == nil {
		s.names.forgive(name)
		s.addresses.pardon(network(a.Remote))
	}
	return in, err
}

// failed records a login that failed. The name is recorded only if it exists:
// people type passwords into the wrong field.
func (s *Service) failed(ctx context.Context, u access.User, known bool, name string, a Attempt) error {
	e := audit.Entry{
		Tenant: access.DefaultTenant, At: s.o.Clock.Now(), Action: audit.LoginFailed,
		Actor: audit.Actor{Remote: a.Remote, RequestID: a.RequestID},
	}
	if known {
		e.Tenant, e.Object, e.ObjectName = u.Tenant, u.ID, name
	}
	_, err := s.o.Store.Audit.Append(ctx, e)
	return err
}

// Enter begins a session of a user whose identity is proven; how says by what.
// It returns unauthorized when the user or its tenant is disabled, or the user
// was changed since u was read.
func (s *Service) Enter(ctx context.Context, u access.User, a Attempt, how string) (Entrance, error) {
	now := s.o.Clock.Now()
	in := Entrance{Secret: access.NewToken(), User: u}
	in.Session = access.Session{
		ID: id.New(id.Session, now), Hash: access.HashToken(in.Secret), UserID: u.ID, Tenant: u.Tenant,
		Remote: a.Remote, Agent: clean(a.Agent), CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(access.SessionMax),
	}
	p := store.PutSession{
		Session: in.Session, UserVersion: u.Version,
		Audit: &audit.Entry{
			Tenant: u.Tenant, At: now, Action: audit.Login, Object: in.Session.ID, Detail: map[string]string{"by": how},
			Actor: audit.Actor{Name: u.Name, ID: u.ID, Remote: a.Remote, RequestID: a.RequestID},
		},
	}
	if a.Replaces.Session != "" {
		if old, _, err := s.o.Store.Sessions.ByHash(ctx, access.HashToken(a.Replaces.Session)); err == nil && old.UserID == u.ID {
			p.Replaces = old.ID
			s.forget(secret{true, old.Hash})
		}
	}
	if err := s.o.Store.Sessions.Create(ctx, p); err != nil {
		if fault.Is(err, fault.NotFound) {
			err = fault.New(fault.Unauthorized, "the user may not log in")
		}
		return Entrance{}, err
	}
	// A disabled tenant shows here, as it would with the first request.
	if _, err := s.find(ctx, secret{true, in.Session.Hash}); err != nil {
		return Entrance{}, err
	}
	return in, nil
}

// maxAgent bounds what is kept of a browser's name, in bytes.
const maxAgent = 200

func clean(agent string) string {
	agent = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, agent), "")
	if len(agent) > maxAgent {
		agent = strings.ToValidUTF8(agent[:maxAgent], "")
	}
	return agent
}

// Leave ends the session of a principal. Leaving twice is not an error.
func (s *Service) Leave(ctx context.Context, c access.Credential, p access.Principal, actor audit.Actor) error {
	err := s.o.Store.Sessions.End(ctx, store.EndSession{
		UserID: p.UserID, ID: p.SessionID,
		Audit: &audit.Entry{Tenant: p.Tenant, At: s.o.Clock.Now(), Action: audit.Logout, Object: p.SessionID, Actor: actor},
	})
	s.forget(secret{true, access.HashToken(c.Session)})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// CheckPassword reports whether the password is the user's own, for changes that
// ask for it again. It is throttled like a login.
func (s *Service) CheckPassword(ctx context.Context, u access.User, password string) (bool, error) {
	if wait := s.names.begin(u.Name, s.o.Clock.Now()); wait > 0 {
		return false, fault.New(fault.TooManyRequests, "too many wrong passwords").WithRetryAfter(wait)
	}
	ok, err := s.passwords.check(ctx, u.PasswordHash, password)
	if ok {
		s.names.forgive(u.Name)
	}
	return ok, err
}
