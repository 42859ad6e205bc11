package api

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/oidc"
)

// loginPage is where people are told why they could not log in.
const loginPage = "/ui/login"

func (s *service) oidcRoutes() []operation {
	text := &huma.Schema{Type: huma.TypeString}
	on := []answer{{Status: http.StatusSeeOther, Doc: "in Location; a failure leads to " + loginPage + "#error=CODE"}}
	return []operation{
		{
			ID: "get_session_methods", Method: http.MethodGet, Path: "/api/session/methods", Public: true, Tag: "session",
			Summary: "List the ways to log in", Answers: []answer{{Status: http.StatusOK, Doc: "what exists", Body: wire.LoginMethods{}}},
			Stream: s.loginMethods,
		},
		{
			ID: "begin_oidc", Method: http.MethodGet, Path: "/api/session/oidc", Public: true, Tag: "session",
			Summary: "Log in at the OpenID provider", Doc: "For browsers: it sends them to the provider.", Answers: on,
			Query:  []param{{Name: "return", Doc: "where to be after the login, a path below /ui/", Schema: text}},
			Faults: []fault.Code{fault.NotFound}, Stream: s.beginOIDC,
		},
		{
			ID: "finish_oidc", Method: http.MethodGet, Path: oidc.CallbackPath, Public: true, Tag: "session",
			Summary: "Come back from the OpenID provider", Doc: "It begins a session and sets its cookie.", Answers: on,
			Query: []param{
				{Name: "code", Doc: "from the provider, if it let the person in", Schema: text},
				{Name: "state", Doc: "what the login began with", Schema: text},
				{Name: "error", Doc: "from the provider, if it did not", Schema: text},
			},
			Faults: []fault.Code{fault.NotFound}, Stream: s.finishOIDC,
		},
	}
}

// The names of the cookie that a login has while the person is at the provider.
const (
	secureLoginCookie = "__Host-runsheet_oidc"
	plainLoginCookie  = "runsheet_oidc"
)

// loginCookie is that cookie; an empty value removes it.
func (s *service) loginCookie(r *http.Request, value string) *http.Cookie {
	c := &http.Cookie{
		Name: plainLoginCookie, Value: value, Path: "/", HttpOnly: true, Secure: s.secure(r), SameSite: http.SameSiteLaxMode,
		MaxAge: int(oidc.LoginLife.Seconds()),
	}
	if c.Secure {
		c.Name = secureLoginCookie
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

func (s *service) loginMethods(w http.ResponseWriter, r *request) error {
	out := wire.LoginMethods{Password: true, Setup: s.Identity.SetupOpen()}
	if s.OIDC != nil {
		out.OIDC = &wire.OIDCMethod{Name: s.OIDC.Name()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=30")
	if r.Method == http.MethodHead {
		return nil
	}
	return json.NewEncoder(w).Encode(out)
}

func (s *service) noOIDC(r *request) error {
	return fault.Newf(fault.NotFound, "there is nothing at %s", clip(r.URL.Path))
}

func (s *service) beginOIDC(w http.ResponseWriter, r *request) error {
	if s.OIDC == nil {
		return s.noOIDC(r)
	}
	w.Header().Set("Cache-Control", "no-store")
	start, err := s.OIDC.Begin(r.Context(), r.URL.Query().Get("return"))
	if err != nil {
		turnAway(w, err)
		return nil
	}
	http.SetCookie(w, s.loginCookie(r.Request, start.Sealed))
	seeOther(w, start.URL)
	return nil
}

func (s *service) finishOIDC(w http.ResponseWriter, r *request) error {
	if s.OIDC == nil {
		return s.noOIDC(r)
	}
	w.Header().Set("Cache-Control", "no-store")
	c := oidc.Callback{Query: r.URL.Query(), Attempt: s.attempt(r)}
	// Two cookies of one name count as none: one of them was planted.
	if all := r.CookiesNamed(s.loginCookie(r.Request, "").Name); len(all) == 1 {
		c.Sealed = all[0].Value
	}
	http.SetCookie(w, s.loginCookie(r.Request, ""))
	in, err := s.OIDC.Finish(r.Context(), c)
	if err != nil {
		turnAway(w, err)
		return nil
	}
	http.SetCookie(w, s.cookie(r.Request, in.Entrance))
	seeOther(w, in.Return)
	return nil
}

// turnAway shows a person the reason, by a page. The code says it all: the page
// knows what to do about it, and the log and the record know more.
func turnAway(w http.ResponseWriter, err error) {
	seeOther(w, loginPage+"#error="+url.QueryEscape(string(fault.From(err).Code)))
}

func seeOther(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
