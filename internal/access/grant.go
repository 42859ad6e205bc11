package access

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// MayGive returns nil when p may make a user or a token with the rights of q,
// or change one that has them: nobody gives, takes or takes over more than he
// has himself. Otherwise it returns a fault with code forbidden.
func (p Principal) MayGive(q Principal) error {
	if !p.Covers(q.Tenant, q.Roles, q.Scopes) {
		return fault.New(fault.ForbiddenScope, "this would need rights that you do not have yourself").
			At("/roles", "forbidden", "grants more than you have")
	}
	if p.Templates != nil && (q.Templates == nil || slices.ContainsFunc(q.Templates, func(t string) bool { return !slices.Contains(p.Templates, t) })) {
		return fault.Newf(fault.ForbiddenScope, "you may start and steer jobs of the templates %s only", strings.Join(p.Templates, ", ")).
			At("/templates", "forbidden", "must be among your own patterns")
	}
	if p.RatePerMinute > 0 && (q.RatePerMinute == 0 || q.RatePerMinute > p.RatePerMinute) {
		return fault.Newf(fault.ForbiddenScope, "you may make %d requests a minute", p.RatePerMinute).
			At("/rate_per_minute", "forbidden", "must not be above your own")
	}
	return nil
}

// CheckLimits returns invalid_input when the roles, scopes or templates of p can
// be of no use: a role or scope that does not exist or that no role of p grants, or a pattern
// that cannot be read.
func (p Principal) CheckLimits() error {
	bad := fault.New(fault.InvalidInput, "the limits of the token cannot be used")
	first := bad
	for i, r := range p.Roles {
		if !slices.Contains(Roles(), r) {
			bad = bad.At("/roles/"+strconv.Itoa(i), "unknown_value", "is not a role")
		}
	}
	unlimited := p
	unlimited.Scopes = nil
	for i, s := range p.Scopes {
		at := "/scopes/" + strconv.Itoa(i)
		switch {
		case !slices.Contains(Scopes(), s):
			bad = bad.At(at, "unknown_value", "is not a scope")
		case !unlimited.May(s):
			bad = bad.At(at, "not_granted", "none of the roles grants it")
		}
	}
	for i, pattern := range p.Templates {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" || len(pattern) > 200 {
			bad = bad.At("/templates/"+strconv.Itoa(i), "pattern", "must be a name in which * and ? stand for anything, at most 200 bytes")
		}
	}
	if bad == first {
		return nil
	}
	return bad
}
