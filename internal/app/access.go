package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/identity"
)

// openAccess makes what finds out who asks. It refuses to serve others than this
// machine before anybody can log in: whoever came first would be the
// administrator.
func (a *App) openAccess(ctx context.Context) error {
	a.local = access.NewToken()
	admin := access.Principal{Name: "admin-token", Tenant: access.DefaultTenant, Roles: []access.Role{access.Admin}}
	local := admin
	local.Name = "local"
	known := access.Static{}.With(a.local, local)
	if given := a.o.Config.AdminToken.Reveal(); given != "" {
		known = known.With(given, admin)
	} else if !config.Loopback(a.o.Config.Listen) {
		ok, err := a.store.Users.Administered(ctx)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("nobody can log in yet, so the server does not listen on %s: "+
				"start it on 127.0.0.1 first and open the setup link, or set RUNSHEET_ADMIN_TOKEN", a.o.Config.Listen)
		}
	}
	a.identity = identity.New(identity.Options{Store: a.store, Static: known, Digest: api.DigestUser, Clock: a.o.Clock, Logger: a.log})
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.identity.Run(run)
	}()
	a.onStop("identity", func() error {
		stop()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		return a.identity.Flush(ctx)
	})
	return nil
}

func (a *App) setupPath() string { return filepath.Join(a.o.Config.Data, "keys", "setup_link") }

// offerSetup shows a one-time link by which the first administrator is made, if
// there is no other way in.
func (a *App) offerSetup(ctx context.Context) error {
	// A link of an earlier start is good for nothing.
	if err := os.Remove(a.setupPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove old setup link: %w", err)
	}
	if a.o.Config.AdminToken != "" {
		return nil
	}
	administered, err := a.store.Users.Administered(ctx)
	if err != nil || administered {
		return err
	}
	link := a.localURL() + "/ui/setup#setup=" + a.identity.NewSetupCode()
	if err := os.WriteFile(a.setupPath(), []byte(link+"\n"), 0o600); err != nil {
		return fmt.Errorf("write setup link: %w", err)
	}
	a.onStop("setup link", func() error {
		if err := os.Remove(a.setupPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
	if a.o.Announce != nil {
		if _, err := fmt.Fprintf(a.o.Announce, "make the first administrator within 30 minutes: %s\n", link); err != nil {
			return fmt.Errorf("announce setup link: %w", err)
		}
	}
	return nil
}
