package courier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

// maxDrain is how much of an answer is read, so that receivers that write a little
// are not cut off. Nothing of it is kept or shown.
const maxDrain = 16 << 10

// drainTime bounds the reading: the verdict does not wait for it.
const drainTime = time.Second

// deliver makes one attempt and reports what became of it.
func (c *Courier) deliver(ctx context.Context, claim store.Claim, ahead time.Duration) {
	out := store.Outcome{Delivery: claim.Delivery, Policy: c.o.Policy, Random: c.o.Random()}
	defer func() { c.done <- out }()
	began := c.o.Clock.Now()
	a := c.attempt(ctx, claim, began)
	if !a.OK() && ctx.Err() != nil {
		// The courier stops: the attempt says nothing about the receiver.
		out.Ignored = true
		out.Delivery.NextAt = began.Add(ahead)
		return
	}
	ended := c.o.Clock.Now()
	a.At, a.Duration = began.Add(ahead).UTC().Truncate(time.Millisecond), ended.Sub(began)
	out.OK, out.Gone = a.OK(), a.Code == webhook.CodeGone
	out.Delivery = c.o.Policy.Judge(claim.Delivery, a, ended.Add(ahead).UTC().Truncate(time.Millisecond), c.o.Random())
	c.o.Meter.WebhookAttempt(string(out.Delivery.Status), a.Duration)
	if !a.OK() {
		c.log.Debug("a webhook was not delivered", "delivery_id", claim.Delivery.ID, "webhook_id", claim.Delivery.WebhookID,
			"attempt", out.Delivery.Attempts, "code", a.Code)
	}
}

// attempt sends the message. Only its verdict is set.
func (c *Courier) attempt(ctx context.Context, claim store.Claim, now time.Time) webhook.Attempt {
	// The allow-list may have changed since the URL was accepted.
	if _, err := c.o.Client.CheckSecure(claim.URL); err != nil {
		return failure(err, c.o.Timeout)
	}
	if claim.Secrets.Current.Reveal() == "" {
		return webhook.Attempt{Code: webhook.CodeInternal, Message: "there is no secret to sign with"}
	}
	d := claim.Delivery
	header := http.Header{
		"Content-Type":          {"application/json"},
		webhook.HeaderID:        {d.ID},
		webhook.HeaderTimestamp: {strconv.FormatInt(now.Unix(), 10)},
		webhook.HeaderSignature: {claim.Secrets.Sign(d.ID, now, d.Body)},
	}
	limited, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	resp, err := c.o.Client.Do(limited, outbound.Request{Method: http.MethodPost, URL: claim.URL, Header: header, Body: d.Body})
	if err != nil {
		return failure(err, c.o.Timeout)
	}
	defer resp.Body.Close()
	drain, end := c.drainLimit(resp.Body)
	_, _ = io.Copy(io.Discard, io.LimitReader(drain, maxDrain)) // the status is the answer
	end()
	return c.verdict(resp, now)
}

// drainLimit closes a body when reading it takes too long.
func (c *Courier) drainLimit(body io.ReadCloser) (io.Reader, func()) {
	t := c.o.Clock.NewTimer(drainTime)
	over := make(chan struct{})
	go func() {
		select {
		case <-t.C():
			body.Close()
		case <-over:
		}
	}()
	return body, func() {
		t.Stop()
		close(over)
	}
}

// verdict judges the status.
func (c *Courier) verdict(resp *http.Response, now time.Time) webhook.Attempt {
	a := webhook.Attempt{Status: resp.StatusCode, Code: webhook.CodeStatus}
	text := strings.TrimSpace(strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode)) // the registered text, not the server's
	switch s := resp.StatusCode; {
	case s >= 200 && s < 300:
		a.Code = ""
	case s == http.StatusGone:
		a.Code, a.Final, a.Message = webhook.CodeGone, true, "the receiver answered "+text+": it wants no more messages"
	case s >= 300 && s < 400:
		a.Code, a.Message = webhook.CodeRedirect, "the receiver answered "+text+": redirects are not followed, use the URL to which it redirects"
	default:
		a.Message = "the receiver answered " + text
		a.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), now)
	}
	return a
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3); 0 if there is
// neither.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// failure is the verdict on a request without an answer. What must not be reached
// is not tried again: a name may lead elsewhere next time, but that is what an
// attacker hopes for.
func failure(err error, timeout time.Duration) webhook.Attempt {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return webhook.Attempt{Code: webhook.CodeInternal, Message: "the request could not be made"}
	}
	a := webhook.Attempt{Code: string(f.Code), Message: f.Detail, Final: f.Code == fault.TargetNotAllowed || f.Kind() == fault.Invalid}
	if f.Code == fault.TargetTimeout {
		a.Message = fmt.Sprintf("%s (time limit %s)", f.Detail, timeout)
	}
	return a
}
