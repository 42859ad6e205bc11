package cli

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) lockCommand() *cobra.Command {
	return a.noun("lock", "See who holds locks, and hold them from outside of the queue",
		a.lockList(), a.lockGet(), a.lockRun(), a.lockAcquire(), a.lockRenew(), a.lockRelease(), a.lockForce(), a.lockCapacity())
}

func (a *app) lockView() view[client.Lock] {
	return view[client.Lock]{
		id:      func(l client.Lock) string { return l.Name },
		columns: []string{"LOCK", "CAPACITY", "FREE", "HOLDERS"}, status: -1,
		row: func(l client.Lock) []string {
			var who []string
			for _, h := range l.Holders {
				who = append(who, holderName(h))
			}
			return []string{l.Name, strconv.Itoa(l.Capacity), strconv.Itoa(l.Free), strings.Join(who, ", ")}
		},
		detail: func(l client.Lock) []pair {
			out := []pair{{"lock", l.Name}, {"capacity", strconv.Itoa(l.Capacity)}, {"free", strconv.Itoa(l.Free)}}
			for _, h := range l.Holders {
				text := holderName(h) + ", token " + strconv.FormatInt(h.Token, 10) + ", since " + stamp(&h.Since)
				if h.ExpiresAt != nil {
					text += ", expires " + stamp(h.ExpiresAt)
				}
				if h.Lost {
					text += ", lost: its server is gone"
				}
				out = append(out, pair{"holder", text})
			}
			return out
		},
	}
}

func holderName(h client.LockHolder) string {
	switch {
	case h.OtherTenant:
		return "another tenant"
	case h.JobName != nil:
		return *h.JobName + " (" + deref(h.JobID) + ")"
	case h.JobID != nil:
		return *h.JobID
	case h.Holder != nil:
		return *h.Holder
	}
	return deref(h.RunID)
}

// grantView shows a unit to the program that holds it. Its id is the token, so
// that -q prints what a script needs.
func grantView() view[client.LockGrant] {
	return view[client.LockGrant]{
		id: func(g client.LockGrant) string { return strconv.FormatInt(g.Token, 10) },
		detail: func(g client.LockGrant) []pair {
			return []pair{{"lock", g.Name}, {"token", strconv.FormatInt(g.Token, 10)}, {"holder", g.Holder}, {"expires", stamp(&g.ExpiresAt)}}
		},
	}
}

func (a *app) lockList() *cobra.Command {
	var (
		limit int
		watch bool
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the locks that somebody holds", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			load := func(ctx context.Context) ([]client.Lock, error) {
				return client.Collect(cl.Locks(ctx, pageSize(limit)), limit)
			}
			return show(c.Context(), a, a.lockView(), watch, limit, load)
		},
	}
	addListFlags(c, &limit, &watch)
	return c
}

func (a *app) lockGet() *cobra.Command {
	return &cobra.Command{
		Use: "get LOCK", Aliases: []string{"show"}, Short: "Show a lock and who holds it", Args: oneArg, ValidArgsFunction: a.completeLocks(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			l, err := cl.Lock(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printOne(a, a.lockView(), l)
		},
	}
}

// holdFlags are those of the commands that take a lock.
type holdFlags struct {
	holder string
	ttl    time.Duration
	wait   waitFlags
}

func (h *holdFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&h.holder, "holder", "", "`name` that others see (this user and machine if absent)")
	f.DurationVar(&h.ttl, "ttl", 30*time.Second, "how long it stays taken without a renewal, 1s to 24h")
	f.Var(&h.wait, "wait", "wait for it to get free; --wait=30m gives up after that time")
	f.Lookup("wait").NoOptDefVal = forever
}

// hold is what the flags say, in the client's words.
func (h *holdFlags) hold(what string) client.Hold {
	out := client.Hold{Holder: h.holder, TTL: h.ttl}
	if h.wait.on {
		if out.Wait = h.wait.limit; out.Wait == 0 {
			out.Wait = -1
		}
	}
	if out.Holder == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown host"
		}
		out.Holder = what + "@" + host
	}
	return out
}

func (a *app) lockAcquire() *cobra.Command {
	var h holdFlags
	c := &cobra.Command{
		Use: "acquire LOCK", Short: "Take a lock, and print its token", Args: oneArg, ValidArgsFunction: a.completeLocks(),
		Long: `Acquire takes a lock for a program outside of the queue. It prints the token that
renew and release need, and ends with 5 when another holds the lock. A lock that
nobody renews is free again after its --ttl. To hold one while a command runs, use
runsheet lock run.`,
		Example: "  token=$(runsheet lock acquire gpu:0 --ttl 10m --wait -q)\n  runsheet lock release gpu:0 $token",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			user, _ := a.Env("USER")
			if user == "" {
				user = "runsheet"
			}
			o := h.hold(user)
			in := client.LockInput{Holder: o.Holder, TTL: o.TTL.String()}
			// One request waits for a minute at most.
			for left := o.Wait; ; left -= time.Minute {
				wait := time.Minute
				if o.Wait >= 0 {
					wait = max(0, min(left, wait))
				}
				g, err := cl.AcquireLock(c.Context(), args[0], in, client.Call{Wait: wait})
				p, held := errors.AsType[*client.Problem](err)
				if held && p.Code == "lock_held" && (o.Wait < 0 || left > time.Minute) {
					continue
				}
				if err != nil {
					return err
				}
				return printOne(a, grantView(), g)
			}
		},
	}
	h.add(c)
	return c
}

// tokenArg reads the LOCK TOKEN arguments.
func tokenArg(args []string) (string, int64, error) {
	if len(args) != 2 {
		return "", 0, usagef("name a lock and the token that acquire printed")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil || n < 1 {
		return "", 0, usagef("the token must be a whole number, not %q", args[1])
	}
	return args[0], n, nil
}

func (a *app) lockRenew() *cobra.Command {
	var ttl time.Duration
	c := &cobra.Command{
		Use: "renew LOCK TOKEN", Short: "Hold a lock for longer", ValidArgsFunction: a.completeLocks(),
		Long: "Renew ends with 5 when the lock is lost: stop what it protects at once.",
		RunE: func(c *cobra.Command, args []string) error {
			name, token, err := tokenArg(args)
			if err != nil {
				return err
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			g, err := cl.RenewLock(c.Context(), name, client.LockRenewal{Token: token, TTL: ttl.String()})
			if err != nil {
				return err
			}
			return printOne(a, grantView(), g)
		},
	}
	c.Flags().DurationVar(&ttl, "ttl", 30*time.Second, "from now, 1s to 24h")
	return c
}

func (a *app) lockRelease() *cobra.Command {
	return &cobra.Command{
		Use: "release LOCK TOKEN", Short: "Give a lock back", ValidArgsFunction: a.completeLocks(),
		RunE: func(c *cobra.Command, args []string) error {
			name, token, err := tokenArg(args)
			if err != nil {
				return err
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if err := cl.ReleaseLock(c.Context(), name, token, client.Call{}); err != nil {
				return err
			}
			a.talk("released %s", name)
			return nil
		},
	}
}

func (a *app) lockForce() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "force-release LOCK TOKEN", Short: "Take a lock away from its holder, who is not stopped", ValidArgsFunction: a.completeLocks(),
		Long: `Force-release frees a lock that is held with a token (see: runsheet lock get). The
holder goes on: a job that runs is not stopped, and another may start beside it. Stop
it first. A holder whose server is gone keeps its locks only until its processes are
known to be gone. It is for administrators, and recorded in the audit.`,
		RunE: func(c *cobra.Command, args []string) error {
			name, token, err := tokenArg(args)
			if err != nil {
				return err
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if err := a.confirm(yes, "take lock "+name+" away from its holder, which goes on?"); err != nil {
				return err
			}
			h, err := cl.ForceReleaseLock(c.Context(), name, token, client.Call{})
			if err != nil {
				return err
			}
			a.talk("took %s away from %s", name, holderName(h))
			if a.json != nil {
				return printOne(a, view[client.LockHolder]{}, h)
			}
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (a *app) lockCapacity() *cobra.Command {
	return &cobra.Command{
		Use: "set-capacity LOCK N", Short: "Say how many may hold a lock at a time", ValidArgsFunction: a.completeLocks(),
		Example: "  runsheet lock set-capacity gpu 4",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("name a lock and a number")
			}
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 1 {
				return usagef("the capacity must be a whole number from 1, not %q", args[1])
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			l, err := cl.SetLockCapacity(c.Context(), args[0], n)
			if err != nil {
				return err
			}
			return printOne(a, a.lockView(), l)
		},
	}
}
