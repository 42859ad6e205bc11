package identity

import (
	"context"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
)

// This file is for ways to log in that prove an identity elsewhere, such as an
// OpenID provider.

// Admit counts an attempt of an address, as Login does; too_many_requests. If it
// goes well, EnterProven forgives it.
func (s *Service) Admit(remote string) error {
	if wait := s.addresses.begin(remote, s.o.Clock.Now()); wait > 0 {
		return fault.New(fault.TooManyRequests, "too many logins have failed").WithRetryAfter(wait)
	}
	return nil
}

// EnterProven is Enter after Admit.
func (s *Service) EnterProven(ctx context.Context, u access.User, a Attempt, how string) (Entrance, error) {
	in, err := s.Enter(ctx, u, a, how)
	if err == nil {
		s.addresses.forgive(a.Remote)
	}
	return in, err
}

// Refused records an attempt that was not let in. detail has no secrets.
func (s *Service) Refused(ctx context.Context, a Attempt, detail map[string]string) error {
	_, err := s.o.Store.Audit.Append(ctx, audit.Entry{
		Tenant: access.DefaultTenant, At: s.o.Clock.Now(), Action: audit.LoginFailed, Detail: detail,
		Actor: audit.Actor{Remote: a.Remote, RequestID: a.RequestID},
	})
	return err
}
