package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) sessionRoutes() []operation {
	me := []answer{{Status: http.StatusOK, Doc: "who asks", Body: wire.Me{}}}
	in := []answer{{Status: http.StatusCreated, Doc: "logged in; the answer sets the cookie of the session", Body: wire.Me{}}}
	limited := []fault.Code{fault.TooManyRequests}
	return []operation{
		{
			ID: "create_session", Method: http.MethodPost, Path: "/api/session", Public: true, Tag: "session", Summary: "Log in",
			Doc:  "After some failures the name and the address have to wait before they may try again.",
			Body: wire.Login{}, Answers: in, Faults: append(limited, fault.Unauthorized), Handle: s.login,
		},
		{
			ID: "get_session", Method: http.MethodGet, Path: "/api/session", Scope: access.SessionUse, Tag: "session",
			Summary: "Show who asks and what they may do", Answers: me, Handle: s.whoami,
		},
		{
			ID: "delete_session", Method: http.MethodDelete, Path: "/api/session", Scope: access.SessionUse, Tag: "session",
			Summary: "Log out", Answers: []answer{{Status: http.StatusNoContent, Doc: "the session is over"}},
			Faults: []fault.Code{fault.Conflict}, Handle: s.logout,
		},
		{
			ID: "set_up", Method: http.MethodPost, Path: "/api/setup", Public: true, Tag: "session", Summary: "Make the first administrator",
			Doc:  "It exists only until the first administrator does, and needs the one-time code that the server prints at its start. Users who are no administrators do not end it.",
			Body: wire.Setup{}, Answers: in, Faults: append(limited, fault.SetupCodeInvalid, fault.AlreadySetUp), Handle: s.setUp,
		},
		{
			ID: "list_sessions", Method: http.MethodGet, Path: "/api/sessions", Scope: access.SessionUse, Tag: "session",
			Summary: "List the caller's own sessions", Handle: s.listSessions,
			Answers: []answer{{Status: http.StatusOK, Doc: "all of them, newest first", Body: wire.SessionList{}}},
		},
		{
			ID: "end_session", Method: http.MethodDelete, Path: "/api/sessions/{session_id}", Scope: access.SessionUse, Tag: "session",
			Summary: "End one of the caller's own sessions", Handle: s.endSession,
			Answers: []answer{{Status: http.StatusNoContent, Doc: "the session is over"}},
		},
		{
			ID: "change_password", Secret: true, Method: http.MethodPost, Path: "/api/session/password", Scope: access.SessionUse, Tag: "session",
			Summary: "Change the own password", Doc: "All sessions of the user end, and a new one begins for who asks.",
			Body: wire.PasswordChange{}, Answers: in, Faults: append(limited, fault.Unauthorized, fault.Conflict), Handle: s.changePassword,
		},
		{
			ID: "create_ticket", Secret: true, Method: http.MethodPost, Path: "/api/session/ticket", Scope: access.SessionUse, Tag: "session",
			Summary: "Get a ticket for one WebSocket",
			Doc:     "A browser cannot send a token with a WebSocket. The ticket goes into its URL instead: it can be used once, for 30 seconds.",
			Answers: []answer{{Status: http.StatusCreated, Doc: "the ticket", Body: wire.Ticket{}}}, Faults: limited, Handle: s.createTicket,
		},
	}
}

// The names of the session's cookie. With TLS the prefix makes browsers refuse
// one that was set by another host of the domain, or without TLS.
const (
	secureCookie = "__Host-runsheet_session"
	plainCookie  = "runsheet_session"
)

// secure reports whether the caller's browser speaks TLS to us or to the proxy.
func (s *service) secure(r *http.Request) bool { return r.TLS != nil || s.BehindProxy }

func (s *service) cookieName(r *http.Request) string {
	if s.secure(r) {
		return secureCookie
	}
	return plainCookie
}

func (s *service) cookie(r *http.Request, in identity.Entrance) *http.Cookie {
	return &http.Cookie{
		Name: s.cookieName(r), Value: in.Secret, Path: "/", HttpOnly: true, Secure: s.secure(r), SameSite: http.SameSiteLaxMode,
		Expires: in.Session.ExpiresAt,
	}
}

// sessionCookie returns the secret in the session's cookie, "" when there is
// none. Two cookies of one name count as none: one of them was planted.
func (s *service) sessionCookie(r *http.Request) string {
	all := r.CookiesNamed(s.cookieName(r))
	if len(all) != 1 {
		return ""
	}
	return all[0].Value
}

// bySession finds who a request with a cookie comes from. Browsers send cookies
// with requests that other pages make, so whatever changes something must come
// from a page of this server, and the browser must say so.
func (s *service) bySession(r *http.Request) (access.Principal, error) {
	p, err := s.Identity.Authenticate(r.Context(), access.Credential{Session: s.sessionCookie(r)})
	if err != nil {
		return access.Principal{}, err
	}
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !safe && !sameOrigin(r) {
		return access.Principal{}, fault.New(fault.CrossOrigin, "a change with a session must come from a page of this server").
			WithHint("programs use a token: Authorization: Bearer <token>")
	}
	return p, nil
}

// sameOrigin reports whether a browser says that the request comes from a page
// of this server. Neither header can be set by a page.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host != "" && strings.EqualFold(origin.Host, r.Host)
}

func (s *service) attempt(r *request) identity.Attempt {
	return identity.Attempt{
		Remote: s.remote(r.Request), Agent: r.UserAgent(), RequestID: requestID(r.Context()),
		Replaces: access.Credential{Session: s.sessionCookie(r.Request)},
	}
}

func (s *service) entered(r *request, in identity.Entrance) reply {
	return reply{
		Status: http.StatusCreated, Location: "/api/session", Body: wire.MeOf(in.User.Principal(in.Session.ID)),
		Cookie: s.cookie(r.Request, in),
	}
}

func (s *service) login(r *request) (reply, error) {
	var body wire.Login
	if err := r.decode(&body); err != nil {
		return reply{}, err
	}
	a := s.attempt(r)
	a.Name, a.Password = body.Name, body.Password
	in, err := s.Identity.Login(r.Context(), a)
	if err != nil {
		return reply{}, err
	}
	return s.entered(r, in), nil
}

func (s *service) setUp(r *request) (reply, error) {
	if !s.Identity.SetupOpen() {
		return reply{}, fault.Newf(fault.NotFound, "there is nothing at %s", clip(r.URL.Path))
	}
	var body wire.Setup
	if err := r.decode(&body); err != nil {
		return reply{}, err
	}
	a := s.attempt(r)
	a.Name, a.Password = body.Name, body.Password
	in, err := s.Identity.SetUp(r.Context(), body.Code, a)
	if err != nil {
		return reply{}, err
	}
	return s.entered(r, in), nil
}

func (s *service) whoami(r *request) (reply, error) {
	return reply{Status: http.StatusOK, Body: wire.MeOf(r.principal)}, nil
}

func (s *service) logout(r *request) (reply, error) {
	if r.principal.SessionID == "" {
		return reply{}, fault.New(fault.Conflict, "a token is not a session; revoke it instead")
	}
	c := access.Credential{Session: s.sessionCookie(r.Request)}
	if err := s.Identity.Leave(r.Context(), c, r.principal, s.actor(r)); err != nil {
		return reply{}, err
	}
	gone := s.cookie(r.Request, identity.Entrance{})
	gone.MaxAge = -1
	return reply{Status: http.StatusNoContent, Cookie: gone}, nil
}

func (s *service) listSessions(r *request) (reply, error) {
	out := wire.SessionList{Items: []wire.Session{}}
	if r.principal.UserID == "" {
		return reply{Status: http.StatusOK, Body: out}, nil
	}
	list, err := s.Store.Sessions.Of(r.Context(), r.principal.UserID)
	if err != nil {
		return reply{}, err
	}
	now := s.Clock.Now()
	for _, v := range slices.DeleteFunc(list, func(v access.Session) bool { return !v.Valid(now) }) {
		out.Items = append(out.Items, wire.SessionOf(v, r.principal.SessionID))
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) endSession(r *request) (reply, error) {
	ref, err := r.id("session_id", id.Session)
	if err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.Logout, Object: ref})
	if err != nil {
		return reply{}, err
	}
	if err := s.Store.Sessions.End(r.Context(), store.EndSession{UserID: r.principal.UserID, ID: ref, Audit: entry}); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusNoContent}, nil
}

func (s *service) changePassword(r *request) (reply, error) {
	if r.principal.UserID == "" {
		return reply{}, fault.New(fault.Conflict, "a token has no password")
	}
	var body wire.PasswordChange
	if err := r.decode(&body); err != nil {
		return reply{}, err
	}
	u, err := s.Store.Users.User(r.Context(), r.tenant(), r.principal.UserID)
	if err != nil {
		return reply{}, err
	}
	ok, err := s.Identity.CheckPassword(r.Context(), u, body.Current)
	if err != nil {
		return reply{}, err
	}
	if !ok {
		return reply{}, fault.New(fault.InvalidInput, "the current password is wrong").At("/current_password", "wrong", "is not the current password")
	}
	if u.PasswordHash, err = s.Identity.HashPassword(r.Context(), u.Name, body.New); err != nil {
		if fault.Is(err, fault.InvalidInput) {
			err = fault.New(fault.InvalidInput, fault.From(err).Detail).At("/new_password", "password", "cannot be used")
		}
		return reply{}, err
	}
	before := wire.UserOf(u)
	u.Version++
	u.UpdatedAt = s.Clock.Now().UTC().Truncate(time.Millisecond)
	entry, err := s.record(r, change{Action: audit.UserPassword, Object: u.ID, Name: u.Name, Before: before, After: wire.UserOf(u)})
	if err != nil {
		return reply{}, err
	}
	if u, err = s.Store.Users.Update(r.Context(), store.PutUser{User: u, Audit: entry}); err != nil {
		return reply{}, err
	}
	in, err := s.Identity.Enter(r.Context(), u, s.attempt(r), "password change")
	if err != nil {
		return reply{}, err
	}
	return s.entered(r, in), nil
}

func (s *service) createTicket(r *request) (reply, error) {
	c := access.Credential{Session: s.sessionCookie(r.Request)}
	if _, token, found := strings.Cut(r.Header.Get("Authorization"), " "); found {
		c = access.Credential{Token: strings.TrimSpace(token)}
	}
	text, err := s.Identity.NewTicket(c)
	if err != nil {
		return reply{}, err
	}
	return reply{
		Status: http.StatusCreated, Location: "/api/events/ws",
		Body: wire.Ticket{Ticket: text, ExpiresAt: s.Clock.Now().Add(identity.TicketLife).UTC()},
	}, nil
}
