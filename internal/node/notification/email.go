package notification

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/exchange"
)

// TLS is how a connection to a mail server is made secure.
type TLS string

// The ways.
const (
	// TLSStart begins in the clear and goes on only after STARTTLS.
	TLSStart TLS = "starttls"
	// TLSImplicit is TLS from the first byte, as on port 465.
	TLSImplicit TLS = "implicit"
	// TLSNone is for a server on this machine.
	TLSNone TLS = "none"
)

// EmailOptions configure Email.
type EmailOptions struct {
	// Host is the mail server's name; "" = the channel is off.
	Host string
	// Port is 587 if zero, or 465 with TLSImplicit.
	Port int
	// Username and Password log in, by TLS or on this machine only; "" = nobody asks.
	Username, Password string
	// From is the sender, as an address or as Name <address>.
	From string
	// TLS is TLSStart if empty.
	TLS TLS
	// Roots are the authorities to trust; nil = the system's.
	Roots *x509.CertPool
	Clock clock.Clock // nil = the system's
}

// Email sends a mail. It implements node.Node and node.Targeted.
type Email struct{ o EmailOptions }

var (
	_ node.Node     = (*Email)(nil)
	_ node.Targeted = (*Email)(nil)
)

// NewEmail returns the kind. The mail server is the operator's choice, so outbound's
// rules do not hold for it.
func NewEmail(o EmailOptions) *Email {
	if o.TLS == "" {
		o.TLS = TLSStart
	}
	if o.Port == 0 {
		if o.Port = 587; o.TLS == TLSImplicit {
			o.Port = 465
		}
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	return &Email{o}
}

// Target implements node.Targeted.
func (e *Email) Target(map[string]any) (string, error) {
	if e.o.Host == "" {
		return "", off("email", "notify.smtp.host")
	}
	return e.address(), nil
}

func (e *Email) address() string { return net.JoinHostPort(e.o.Host, strconv.Itoa(e.o.Port)) }

// Run implements node.Node.
func (e *Email) Run(ctx context.Context, c node.Call) (node.Result, error) {
	if e.o.Host == "" {
		return node.Result{}, off("email", "notify.smtp.host")
	}
	m, err := read(c)
	if err != nil {
		return node.Result{}, err
	}
	from, err := mail.ParseAddress(e.o.From)
	if err != nil {
		return node.Result{}, off("email", "notify.smtp.from")
	}
	var to []*mail.Address
	for _, s := range m.to {
		list, err := mail.ParseAddressList(s)
		if err != nil {
			return node.Result{}, exchange.Invalid("to: %.100q is no mail address", s)
		}
		to = append(to, list...)
	}
	if len(to) == 0 || len(to) > maxRecipients {
		return node.Result{}, exchange.Invalid("to must have 1 to %d mail addresses", maxRecipients)
	}
	text, id := compose(c, m, from, to)
	fmt.Fprintf(c.Host.Log(), "mail to %d recipients by %s\n", len(to), e.address())
	if err := e.send(ctx, from.Address, to, text); err != nil {
		if ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			return node.Result{}, context.Cause(ctx)
		}
		return node.Result{}, e.failed(ctx, err)
	}
	return sent("email", id), nil
}

// send hands a mail over. The connection ends with ctx.
func (e *Email) send(ctx context.Context, from string, to []*mail.Address, text []byte) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", e.address())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // Quit has closed it where all went well
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	secure := &tls.Config{ServerName: e.o.Host, RootCAs: e.o.Roots, MinVersion: tls.VersionTLS12}
	if e.o.TLS == TLSImplicit {
		t := tls.Client(conn, secure)
		if err := t.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = t
	}
	client, err := smtp.NewClient(conn, e.o.Host)
	if err != nil {
		return err
	}
	if e.o.TLS == TLSStart {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return errNoTLS
		}
		if err := client.StartTLS(secure); err != nil {
			return err
		}
	}
	if e.o.Username != "" {
		if err := e.login(client); err != nil {
			return err
		}
	}
	if err := client.Mail(from); err != nil {
		return err
	}
	for _, a := range to {
		if err := client.Rcpt(a.Address); err != nil {
			return err
		}
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	// The answer to the end of the mail: from here on the server has it.
	if err := w.Close(); err != nil {
		return err
	}
	_ = client.Quit() // the mail is accepted, whatever follows
	return nil
}

var (
	errNoTLS   = errors.New("the mail server offers no STARTTLS")
	errNoLogin = errors.New("the mail server offers no way to log in that this program knows (PLAIN, LOGIN)")
	errClear   = errors.New("a password is not sent over a connection without TLS")
)

// login proves who sends, by what the server offers.
func (e *Email) login(client *smtp.Client) error {
	_, secure := client.TLSConnectionState()
	if ip := net.ParseIP(e.o.Host); !secure && e.o.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errClear
	}
	_, offered := client.Extension("AUTH")
	ways := strings.Fields(strings.ToUpper(offered))
	if slices.Contains(ways, "PLAIN") {
		return client.Auth(smtp.PlainAuth("", e.o.Username, e.o.Password, e.o.Host))
	}
	if slices.Contains(ways, "LOGIN") {
		return client.Auth(&login{e.o.Username, e.o.Password})
	}
	return errNoLogin
}

// login is the old way AUTH LOGIN, which some servers have as their only one: name and
// password as answers to two questions.
type login struct{ username, password string }

// Start implements smtp.Auth.
func (*login) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

// Next implements smtp.Auth.
func (l *login) Next(question []byte, more bool) ([]byte, error) {
	switch q := strings.ToLower(string(question)); {
	case !more:
		return nil, nil
	case strings.HasPrefix(q, "user"):
		return []byte(l.username), nil
	case strings.HasPrefix(q, "pass"):
		return []byte(l.password), nil
	}
	return nil, errors.New("the mail server asks something unknown")
}

// failed is the failure of a mail that was not accepted. What a server says is the
// server's own text and holds nothing of the mail but addresses.
func (e *Email) failed(ctx context.Context, err error) error {
	if said, ok := errors.AsType[*textproto.Error](err); ok {
		f := node.Fail(fmt.Sprintf("smtp_%d", said.Code), "", fmt.Errorf("the mail server refuses: %d %s", said.Code, oneLine(said.Msg)))
		if f.Class = node.ClassServerError; said.Code >= 500 {
			f.Class, f.Final = "", true
		}
		return f
	}
	switch {
	case errors.Is(err, errNoTLS), errors.Is(err, errNoLogin), errors.Is(err, errClear):
		return node.Fatal("not_configured", err)
	case ctx.Err() != nil:
		return node.Fail(string(fault.TargetTimeout), node.ClassTimeout, fmt.Errorf("%s did not take the mail in time", e.o.Host))
	case errors.As(err, new(*tls.CertificateVerificationError)), errors.As(err, new(tls.RecordHeaderError)):
		return node.Fail(string(fault.TargetUntrusted), "", fmt.Errorf("no secure connection to %s: %w", e.o.Host, err))
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return node.Fail(string(fault.TargetUnreachable), node.ClassTimeout, fmt.Errorf("%s cannot be reached", e.address()))
	}
	return node.Fail(string(fault.TargetBroken), node.ClassTimeout, fmt.Errorf("the connection to %s broke", e.o.Host))
}
