package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/access"
)

// Login is a name and a password.
type Login struct {
	Name     string `json:"name" minLength:"1" maxLength:"128" example:"ann"`
	Password string `json:"password" minLength:"1" maxLength:"1024" format:"password"`
}

// Setup makes the first administrator.
type Setup struct {
	Code     string `json:"code" minLength:"1" maxLength:"128" doc:"the one-time code of the link that the server printed"`
	Name     string `json:"name" minLength:"1" maxLength:"128" example:"ann" doc:"lower case: letters, digits and . _ @ + -"`
	Password string `json:"password" minLength:"12" maxLength:"1024" format:"password"`
}

// PasswordChange sets a new password for who asks.
type PasswordChange struct {
	Current string `json:"current_password" minLength:"1" maxLength:"1024" format:"password"`
	New     string `json:"new_password" minLength:"12" maxLength:"1024" format:"password"`
}

// Me is who makes the request and what that is good for.
type Me struct {
	Name      string   `json:"name" example:"ann"`
	Kind      string   `json:"kind" enum:"user,token,given" doc:"given: a token that the server was started with"`
	Tenant    string   `json:"tenant" example:"default"`
	Roles     []string `json:"roles"`
	Scopes    []string `json:"scopes" doc:"what the caller may do"`
	Templates []string `json:"templates" nullable:"true" doc:"patterns of template names to which starting and steering jobs is limited; null = not limited"`
	UserID    *string  `json:"user_id"`
	TokenID   *string  `json:"token_id"`
	SessionID *string  `json:"session_id"`
}

// MeOf shows a principal.
func MeOf(p access.Principal) Me {
	m := Me{
		Name: p.Name, Kind: "given", Tenant: p.Tenant, Roles: []string{}, Scopes: []string{}, Templates: p.Templates,
		UserID: str(p.UserID), TokenID: str(p.TokenID), SessionID: str(p.SessionID),
	}
	switch {
	case p.TokenID != "":
		m.Kind = "token"
	case p.UserID != "":
		m.Kind = "user"
	}
	for _, r := range p.Roles {
		m.Roles = append(m.Roles, string(r))
	}
	for _, s := range access.Scopes() {
		if p.May(s) {
			m.Scopes = append(m.Scopes, string(s))
		}
	}
	return m
}

// Session is one login.
type Session struct {
	SessionID string    `json:"session_id" example:"ses_01jh0000000000000000000000"`
	Current   bool      `json:"current" doc:"the one that makes this request"`
	Remote    string    `json:"remote" doc:"address from which it began"`
	Agent     string    `json:"agent" doc:"what the browser calls itself"`
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"seen_at" doc:"last use, exact to a minute; it is over 12 hours after that"`
	ExpiresAt time.Time `json:"expires_at" doc:"when it is over at the latest"`
}

// SessionList is all sessions of a user, newest first.
type SessionList struct {
	Items []Session `json:"items"`
}

// SessionOf shows a session.
func SessionOf(v access.Session, current string) Session {
	return Session{
		SessionID: v.ID, Current: v.ID == current, Remote: v.Remote, Agent: v.Agent,
		CreatedAt: v.CreatedAt.UTC(), SeenAt: v.SeenAt.UTC(), ExpiresAt: v.ExpiresAt.UTC(),
	}
}

// Ticket stands for the caller's credential in one URL.
type Ticket struct {
	Ticket    string    `json:"ticket" doc:"usable once, on this server"`
	ExpiresAt time.Time `json:"expires_at"`
}

// LoginMethods are the ways to log in.
type LoginMethods struct {
	Password bool        `json:"password"`
	OIDC     *OIDCMethod `json:"oidc" doc:"null = no provider is configured"`
	Setup    bool        `json:"setup" doc:"the first administrator can still be made with the link that the server printed"`
}

// OIDCMethod is logging in at an OpenID provider: GET /api/session/oidc.
type OIDCMethod struct {
	Name string `json:"name" example:"id.example.com" doc:"host of the provider, for a button"`
}
