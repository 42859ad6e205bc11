package api

import (
	"net"
	"net/http"
	"strings"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
)

// This file makes audit entries. The store writes them with the change that
// they tell of.

// change is what an audit entry tells beside who asked and when.
type change struct {
	Action audit.Action
	// Tenant is whose chain the entry belongs to; "" = the caller's.
	Tenant string
	// Object and Name identify what was changed; "" = nothing has an id.
	Object, Name string
	// Before and After are representations as the API gives them; nil = none.
	Before, After any
	// Detail holds plain values, never secrets.
	Detail map[string]string
}

// record returns the audit entry of a change that the request makes.
func (s *service) record(r *request, c change) (*audit.Entry, error) {
	e := &audit.Entry{
		Tenant: c.Tenant, At: s.Clock.Now(), Action: c.Action, Object: c.Object, ObjectName: c.Name, Detail: c.Detail,
		Actor: s.actor(r),
	}
	if e.Tenant == "" {
		e.Tenant = r.tenant()
	}
	for _, side := range []struct {
		of   any
		hash *string
	}{{c.Before, &e.Before}, {c.After, &e.After}} {
		if side.of == nil {
			continue
		}
		b, err := canonical(side.of)
		if err != nil {
			return nil, err
		}
		*side.hash = audit.Digest(b)
	}
	return e, nil
}

// DigestUser is the hash by which audit entries name a state of a user, for
// changes that are not made through this package.
func DigestUser(u access.User) string {
	b, err := canonical(wire.UserOf(u))
	if err != nil {
		panic("api: digest: " + err.Error()) // plain values always encode
	}
	return audit.Digest(b)
}

// actor is who makes the request, for the record.
func (s *service) actor(r *request) audit.Actor {
	p := r.principal
	a := audit.Actor{Name: p.Name, ID: p.UserID, Remote: s.remote(r.Request), RequestID: requestID(r.Context())}
	if p.TokenID != "" {
		a.ID = p.TokenID
	}
	return a
}

// remote is the caller's address without port. Behind a proxy it is what the
// proxy says, which is the last address in X-Forwarded-For: those before it come
// from the caller.
func (s *service) remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if !s.BehindProxy {
		return host
	}
	said := r.Header.Values("X-Forwarded-For")
	if len(said) == 0 {
		return host
	}
	last := said[len(said)-1]
	if ip := net.ParseIP(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])); ip != nil {
		return ip.String()
	}
	return host
}
