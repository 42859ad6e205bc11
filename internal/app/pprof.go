package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/fault"
)

// startPprof serves Go's profiles of this process, if the configuration says where.
// They are no part of the API: they have a port of their own, on this machine only,
// and are for administrators.
func (a *App) startPprof(ctx context.Context) error {
	if a.o.Config.Pprof == "" {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.o.Config.Pprof)
	if err != nil {
		return fmt.Errorf("listen on %s for --pprof (RUNSHEET_PPROF): %w", a.o.Config.Pprof, err)
	}
	base, end := context.WithCancel(context.WithoutCancel(ctx))
	// A profile of the processor takes as long as its caller says.
	srv := newServer(base, a.profiles(), a.log, requestTimeout)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.fail(fmt.Errorf("serve profiles: %w", err))
		}
	}()
	a.onStop("profiles", func() error {
		end()
		err := srv.Close()
		<-done
		return err
	})
	a.pprof = l.Addr().String()
	a.log.Info("serving profiles", "url", "http://"+a.pprof+"/debug/pprof/")
	return nil
}

// profiles answers below /debug/pprof/ to whoever may change the settings of the
// installation.
func (a *App) profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		p, err := a.identity.Authenticate(r.Context(), access.Credential{Token: strings.TrimSpace(token)})
		if err == nil {
			err = p.Require(access.SettingsWrite)
		}
		switch {
		case err == nil:
			mux.ServeHTTP(w, r)
		case fault.Is(err, fault.Unauthorized):
			w.Header().Set("WWW-Authenticate", `Bearer realm="runsheet"`)
			http.Error(w, "a token of an administrator is needed: Authorization: Bearer <token>", http.StatusUnauthorized)
		case fault.Is(err, fault.ForbiddenScope):
			http.Error(w, "profiles are for administrators", http.StatusForbidden)
		case fault.Is(err, fault.TooManyRequests):
			http.Error(w, "the rate of this token is used up", http.StatusTooManyRequests)
		default:
			a.log.WarnContext(r.Context(), "cannot find out who asks for a profile", "error", err)
			http.Error(w, "the token cannot be checked now", http.StatusServiceUnavailable)
		}
	})
}
