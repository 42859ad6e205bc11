package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"syscall"

	"github.com/runsheet/runsheet/internal/fault"
)

// explain makes a fault of what went wrong with an exchange. Texts of the
// libraries are used only where they cannot hold a piece of the URL or of the
// answer.
func explain(ctx context.Context, host string, err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		switch {
		case dns.IsNotFound:
			return fault.Newf(fault.TargetUnreachable, "the name %s has no address", host)
		case dns.IsTimeout:
			return fault.Newf(fault.TargetTimeout, "the name server did not tell the address of %s in time", host)
		}
		return fault.Newf(fault.TargetUnreachable, "the name server cannot tell the address of %s", host)
	}
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || timedOut(err) {
		return fault.Newf(fault.TargetTimeout, "%s did not answer in time", host)
	}
	if why := tlsReason(err); why != "" {
		return fault.Newf(fault.TargetUntrusted, "no secure connection to %s: %s", host, why)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		why := "no connection"
		if errno, ok := errors.AsType[syscall.Errno](err); ok {
			why = errno.Error()
		}
		return fault.Newf(fault.TargetUnreachable, "%s cannot be reached: %s", host, why)
	}
	return fault.Newf(fault.TargetBroken, "the connection to %s broke, or what it answers is not HTTP", host)
}

func timedOut(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// tlsReason says why TLS failed, "" if it did not.
func tlsReason(err error) string {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		switch {
		case errors.As(e, new(x509.HostnameError)):
			return "its certificate is for another name"
		case errors.As(e, new(x509.UnknownAuthorityError)):
			return "its certificate is signed by an unknown authority"
		}
		if invalid, ok := errors.AsType[x509.CertificateInvalidError](e); ok && invalid.Reason == x509.Expired {
			return "its certificate has expired or is not yet valid"
		}
		return "its certificate is not valid"
	}
	if errors.As(err, new(tls.RecordHeaderError)) {
		return "it does not speak TLS"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return "it refused TLS 1.2 and 1.3 or the terms of them"
	}
	return ""
}
