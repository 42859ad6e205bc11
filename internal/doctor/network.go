package doctor

import (
	"context"
	"os"
	"time"

	"github.com/runsheet/runsheet/internal/bus/redis"
	"github.com/runsheet/runsheet/internal/certificate"
	"github.com/runsheet/runsheet/internal/config"
)

// expiresSoon is when to warn of a certificate's end.
const expiresSoon = 14 * 24 * time.Hour

func (e *exam) listening() {
	c := e.Config
	switch {
	case config.Loopback(c.Listen):
		e.ok("address", "%s, this machine only", c.Listen)
	case !c.TLS() && len(c.AllowedHosts) == 0:
		e.bad(Warn, "address", "list the public host name in allowed_hosts", "%s behind a proxy, which no allowed host name fits", c.Listen)
	case c.TLS():
		e.ok("address", "%s with TLS", c.Listen)
	default:
		e.ok("address", "%s behind a proxy that ends TLS", c.Listen)
	}
}

func (e *exam) certificate() {
	if !e.Config.TLS() {
		return
	}
	pair, err := certificate.Load(certificate.Options{CertFile: e.Config.TLSCert, KeyFile: e.Config.TLSKey, Clock: e.Clock})
	if err != nil {
		detail, _ := message(err)
		e.bad(Fail, "certificate", "put a pair that fits into tls_cert and tls_key", "%s", detail)
		return
	}
	if info, err := os.Stat(e.Config.TLSKey); err == nil && permissions && info.Mode().Perm()&0o007 != 0 {
		e.bad(Fail, "certificate", "chmod 600 "+e.Config.TLSKey, "everybody may use the key (mode %04o)", info.Mode().Perm())
		return
	}
	end := pair.Leaf().NotAfter
	left := end.Sub(e.Clock.Now())
	switch date := end.UTC().Format(time.DateOnly); {
	case left <= 0:
		e.bad(Fail, "certificate", "renew it; the running server takes the new files", "it expired on %s", date)
	case left < expiresSoon:
		e.bad(Warn, "certificate", "renew it; the running server takes the new files", "it expires on %s", date)
	default:
		e.ok("certificate", "valid until %s", date)
	}
}

// redis asks the Redis server. The server works without it, only slower.
func (e *exam) redis(ctx context.Context) {
	if e.Config.RedisURL == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if err := redis.Ping(ctx, e.Config.RedisURL.Reveal()); err != nil {
		e.bad(Warn, "redis", "start Redis or correct redis_url; until then events of other instances arrive by polling", "%v", err)
		return
	}
	e.ok("redis", "answers")
}

// server asks the running server, as its owner's command line would.
func (e *exam) server(ctx context.Context) {
	if e.Connect == nil {
		return
	}
	if !e.held {
		e.ok("server", "does not run")
		return
	}
	const remedy = "look at the server's log; restart it if it does not answer"
	cl, err := e.Connect()
	if err != nil {
		e.bad(Fail, "server", remedy, "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if err := cl.Ready(ctx); err != nil {
		e.bad(Fail, "server", remedy, "it is not ready: %v", err)
		return
	}
	asked := e.Clock.Now()
	s, err := cl.Scheduler(ctx)
	if err != nil {
		e.bad(Fail, "server", remedy, "%v", err)
		return
	}
	e.ok("server", "version %s answers at %s", s.Version, cl.URL())
	e.schedules(ctx, cl)
	// The server rounds down to milliseconds.
	e.skew("the server", s.Time.Add(time.Millisecond), asked)
}
