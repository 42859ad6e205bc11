package identity_test

import (
	"fmt"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/store"
)

// TestLoginThatRacesAPasswordChange: who knew the old password only has no
// session afterwards, also when it was checked before the change.
func TestLoginThatRacesAPasswordChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.user("ann")
	now := old
	now.Version++
	if _, err := b.store.Users.Update(t.Context(), store.PutUser{User: now}); err != nil {
		t.Fatal(err)
	}
	_, err := b.who.Enter(t.Context(), old, identity.Attempt{Name: "ann", Remote: "x"}, "password")
	wantCode(t, err, fault.Unauthorized)
	if list, err := b.store.Sessions.Of(t.Context(), old.ID); err != nil || len(list) != 0 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
	if _, err := b.who.Enter(t.Context(), now, identity.Attempt{Name: "ann", Remote: "x"}, "password"); err != nil {
		t.Error(err)
	}
}

// TestAddressesOfOneNetworkWaitTogether: whoever has one IPv6 address has 2^64.
func TestAddressesOfOneNetworkWaitTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	refused := 0
	for i := range 30 {
		_, err := b.who.Login(t.Context(), identity.Attempt{Name: fmt.Sprint("user", i), Password: "x", Remote: fmt.Sprintf("2001:db8::%x", i)})
		if fault.Is(err, fault.TooManyRequests) {
			refused++
		}
	}
	if refused != 9 {
		t.Errorf("%d of 30 refused, want 9", refused)
	}
	_, err := b.who.SetUp(t.Context(), "x", identity.Attempt{Name: "ann", Password: goodPassword, Remote: "2001:db8::ffff"})
	wantCode(t, err, fault.TooManyRequests)
	_, err = b.who.Login(t.Context(), identity.Attempt{Name: "other", Password: "x", Remote: "2001:db8:0:1::1"})
	wantCode(t, err, fault.Unauthorized)
}

// TestTicketsOfOneCaller do not use up those of all others.
func TestTicketsOfOneCaller(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var err error
	for range 1000 {
		if _, err = b.who.NewTicket(access.Credential{Token: "rst_greedy"}); err != nil {
			break
		}
	}
	wantCode(t, err, fault.TooManyRequests)
	if _, err := b.who.NewTicket(access.Credential{Token: "rst_other"}); err != nil {
		t.Errorf("another caller: %v", err)
	}
}
