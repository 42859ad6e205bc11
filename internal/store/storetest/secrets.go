package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/store"
)

func secretChecks() []check {
	return []check{
		{"Secrets/KeepEveryField", secretFields},
		{"Secrets/EachChangeHasItsVersion", secretVersions},
		{"Secrets/ListByName", secretList},
		{"Secrets/OtherTenantSeesNothing", secretTenants},
		{"Secrets/UseIsNotedForward", secretUsed},
		{"Secrets/OneCheck", secretCheck},
		{"Secrets/OneDataKey", secretDataKey},
		{"Secrets/RewrapAllOrNothing", secretRewrap},
		{"Secrets/RewrapAgainstPut", secretRewrapRace},
	}
}

const masterCheck = "check of the first key"

// setCheck says which master key is used, as a vault does at first.
func setCheck(t *testing.T, s store.Store) {
	t.Helper()
	if got, err := s.Secrets.FirstCheck(t.Context(), masterCheck, base); err != nil || got != masterCheck {
		t.Fatal(got, err)
	}
}

func newSecret(name string) store.PutSecret {
	return store.PutSecret{
		Secret: secret.Secret{
			Tenant: tenant, Name: name, Version: 1, ValueVersion: 1, CreatedBy: "ann", UpdatedBy: "ann", CreatedAt: base, UpdatedAt: base, ValueAt: base,
		},
		Sealed: &store.SealedValue{DataKey: "key of " + name, Ciphertext: "value of " + name}, Check: masterCheck,
	}
}

func putSecret(t *testing.T, s store.Store, p store.PutSecret) secret.Secret {
	t.Helper()
	out, err := s.Secrets.Put(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func readSecret(t *testing.T, s store.Store, name string) store.SealedSecret {
	t.Helper()
	out, err := s.Secrets.Secret(t.Context(), tenant, name)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func secretFields(t *testing.T, s store.Store) {
	p := newSecret("BLOG_TOKEN")
	_, err := s.Secrets.Put(t.Context(), p)
	wantCode(t, err, fault.SecretsKeyWrong) // nobody has said which key is used
	setCheck(t, s)
	p.Secret.Description = "für den Blog"
	p.Secret.Grants = []secret.Grant{{WorkflowID: "blog-*", Kinds: []string{"action/api_call"}, Hosts: []string{"blog.example.com:443"}}}
	p.Audit = &audit.Entry{Tenant: tenant, At: base, Action: audit.SecretSet, ObjectName: "BLOG_TOKEN"}
	same(t, "stored", p.Secret, putSecret(t, s, p))
	same(t, "read", store.SealedSecret{Secret: p.Secret, Sealed: *p.Sealed, Check: masterCheck}, readSecret(t, s, "BLOG_TOKEN"))

	// Without a value it keeps the one that it has.
	grants := p
	grants.Sealed, grants.Secret.Grants, grants.Secret.Version, grants.Secret.UpdatedBy, grants.Secret.UpdatedAt = nil, nil, 2, "bob", base.Add(time.Hour)
	putSecret(t, s, grants)
	same(t, "without a value", store.SealedSecret{Secret: grants.Secret, Sealed: *p.Sealed, Check: masterCheck}, readSecret(t, s, "BLOG_TOKEN"))
	value := grants
	value.Sealed, value.Secret.Version, value.Secret.ValueVersion, value.Secret.ValueAt = &store.SealedValue{DataKey: "k2", Ciphertext: "c2"}, 3, 2, base.Add(2*time.Hour)
	putSecret(t, s, value)
	same(t, "another value", store.SealedSecret{Secret: value.Secret, Sealed: *value.Sealed, Check: masterCheck}, readSecret(t, s, "BLOG_TOKEN"))
	page, err := s.Audit.List(t.Context(), store.ListAudit{Tenant: tenant, Limit: 10})
	if err != nil || len(page.Entries) != 3 || page.Entries[0].Action != audit.SecretSet {
		t.Errorf("the record has %v, %v", page.Entries, err)
	}
}

func secretVersions(t *testing.T, s store.Store) {
	setCheck(t, s)
	p := newSecret("A")
	p.Secret.Version = 2
	_, err := s.Secrets.Put(t.Context(), p)
	wantCode(t, err, fault.SecretNotFound)
	p.Secret.Version, p.Sealed = 1, nil
	_, err = s.Secrets.Put(t.Context(), p)
	wantCode(t, err, fault.InvalidInput)
	putSecret(t, s, newSecret("A"))
	_, err = s.Secrets.Put(t.Context(), newSecret("A"))
	wantCode(t, err, fault.VersionMismatch)

	// Of several who saw the same version one wins.
	const n = 8
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			p := newSecret("A")
			p.Secret.Version, p.Secret.UpdatedBy = 2, fmt.Sprint(i)
			_, errs[i] = s.Secrets.Put(t.Context(), p)
		})
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			if by := readSecret(t, s, "A").Secret.UpdatedBy; by != fmt.Sprint(i) {
				t.Errorf("%d won, and %s is stored", i, by)
			}
			continue
		}
		wantCode(t, err, fault.VersionMismatch)
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
	wantCode(t, s.Secrets.Delete(t.Context(), store.DeleteSecret{Tenant: tenant, Name: "A", Version: 1}), fault.VersionMismatch)
	if err := s.Secrets.Delete(t.Context(), store.DeleteSecret{Tenant: tenant, Name: "A", Version: 2}); err != nil {
		t.Error(err)
	}
	wantCode(t, s.Secrets.Delete(t.Context(), store.DeleteSecret{Tenant: tenant, Name: "A"}), fault.SecretNotFound)
	_, err = s.Secrets.Secret(t.Context(), tenant, "A")
	wantCode(t, err, fault.SecretNotFound)
}

func secretList(t *testing.T, s store.Store) {
	setCheck(t, s)
	for _, name := range []string{"b", "A", "a_B", "Z"} {
		putSecret(t, s, newSecret(name))
	}
	names := func(p store.ListSecrets) (out []string, more bool) {
		p.Tenant = tenant
		page, err := s.Secrets.List(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Secrets {
			out = append(out, c.Name)
		}
		return out, page.More
	}
	got, more := names(store.ListSecrets{Limit: 2})
	if same(t, "first page", []string{"A", "Z"}, got); !more {
		t.Error("the first page is the last")
	}
	got, more = names(store.ListSecrets{Limit: 2, AfterName: "Z"})
	if same(t, "second page", []string{"a_B", "b"}, got); more {
		t.Error("the second page is not the last")
	}
	got, _ = names(store.ListSecrets{Limit: 9, Text: "_"})
	same(t, "with a text", []string{"a_B"}, got)
}

func secretTenants(t *testing.T, s store.Store) {
	setCheck(t, s)
	other, err := s.Tenants.Create(t.Context(), store.PutTenant{Tenant: access.Tenant{ID: id.New(id.Tenant, base), Name: "other", Version: 1, CreatedAt: base, UpdatedAt: base}})
	if err != nil {
		t.Fatal(err)
	}
	putSecret(t, s, newSecret("A"))
	_, err = s.Secrets.Secret(t.Context(), other.ID, "A")
	wantCode(t, err, fault.SecretNotFound)
	wantCode(t, s.Secrets.Delete(t.Context(), store.DeleteSecret{Tenant: other.ID, Name: "A"}), fault.SecretNotFound)
	if page, err := s.Secrets.List(t.Context(), store.ListSecrets{Tenant: other.ID, Limit: 9}); err != nil || len(page.Secrets) > 0 {
		t.Errorf("another tenant lists %v, %v", page.Secrets, err)
	}
	p := newSecret("A")
	p.Secret.Tenant, p.Sealed.Ciphertext = other.ID, "other"
	putSecret(t, s, p)
	if got := readSecret(t, s, "A"); got.Sealed.Ciphertext != "value of A" {
		t.Errorf("another tenant's put changed %v", got)
	}
}

func secretUsed(t *testing.T, s store.Store) {
	setCheck(t, s)
	putSecret(t, s, newSecret("A"))
	for _, c := range []struct{ at, want time.Time }{{base.Add(time.Hour), base.Add(time.Hour)}, {base, base.Add(time.Hour)}} {
		if err := s.Secrets.Used(t.Context(), tenant, "A", c.at); err != nil {
			t.Fatal(err)
		}
		if got := readSecret(t, s, "A").Secret; !got.LastUsedAt.Equal(c.want) || got.Version != 1 {
			t.Errorf("used at %v, version %d", got.LastUsedAt, got.Version)
		}
	}
	if err := s.Secrets.Used(t.Context(), tenant, "GONE", base); err != nil {
		t.Error(err)
	}
}

func secretCheck(t *testing.T, s store.Store) {
	if got, err := s.Secrets.Check(t.Context()); err != nil || got != "" {
		t.Errorf("the check begins with %q, %v", got, err)
	}
	const n = 6
	got := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var err error
			if got[i], err = s.Secrets.FirstCheck(t.Context(), fmt.Sprint("check ", i), base); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, c := range got {
		if c != got[0] {
			t.Errorf("checks %q", got)
		}
	}
	if now, err := s.Secrets.Check(t.Context()); err != nil || now != got[0] {
		t.Errorf("the check is %q, %v", now, err)
	}
}

func secretDataKey(t *testing.T, s store.Store) {
	ask := func(candidate, check string) (string, error) {
		return s.Secrets.DataKey(t.Context(), store.DataKey{Tenant: tenant, Candidate: candidate, Check: check, At: base})
	}
	if got, err := ask("", ""); err != nil || got != "" {
		t.Errorf("the key begins with %q, %v", got, err)
	}
	setCheck(t, s)
	_, err := ask("k", "another check")
	wantCode(t, err, fault.SecretsKeyWrong)
	for _, candidate := range []string{"k1", "k2", ""} {
		if got, err := ask(candidate, masterCheck); err != nil || got != "k1" {
			t.Errorf("the key is %q, %v", got, err)
		}
	}
}

func secretRewrap(t *testing.T, s store.Store) {
	setCheck(t, s)
	putSecret(t, s, newSecret("A"))
	putSecret(t, s, newSecret("B"))
	if _, err := s.Secrets.DataKey(t.Context(), store.DataKey{Tenant: tenant, Candidate: "own", Check: masterCheck, At: base}); err != nil {
		t.Fatal(err)
	}
	wrap := func(k store.WrappedKey) (string, error) { return "new " + k.DataKey, nil }
	_, err := s.Secrets.Rewrap(t.Context(), store.Rewrap{Old: "wrong", New: "second", Wrap: wrap, At: base})
	wantCode(t, err, fault.SecretsKeyWrong)
	broken := errors.New("broken")
	seen := 0
	if _, err := s.Secrets.Rewrap(t.Context(), store.Rewrap{Old: masterCheck, New: "second", At: base, Wrap: func(k store.WrappedKey) (string, error) {
		if seen++; seen == 3 {
			return "", broken
		}
		return wrap(k)
	}}); !errors.Is(err, broken) {
		t.Errorf("rewrap: %v", err)
	}
	if got := readSecret(t, s, "A"); got.Sealed.DataKey != "key of A" || got.Check != masterCheck {
		t.Errorf("a rewrap that failed left %v", got)
	}
	n, err := s.Secrets.Rewrap(t.Context(), store.Rewrap{Old: masterCheck, New: "second", Wrap: wrap, At: base})
	if err != nil || n != 3 {
		t.Errorf("rewrapped %d, %v", n, err)
	}
	for _, name := range []string{"A", "B"} {
		got := readSecret(t, s, name)
		same(t, name, store.SealedValue{DataKey: "new key of " + name, Ciphertext: "value of " + name}, got.Sealed)
		if got.Check != "second" || got.Secret.Version != 1 {
			t.Errorf("%s has the check %q and version %d", name, got.Check, got.Secret.Version)
		}
	}
	if got, err := s.Secrets.DataKey(t.Context(), store.DataKey{Tenant: tenant}); err != nil || got != "new own" {
		t.Errorf("the tenant's key is %q, %v", got, err)
	}
	_, err = s.Secrets.Put(t.Context(), newSecret("C")) // by an instance with the old key
	wantCode(t, err, fault.SecretsKeyWrong)
}

// secretRewrapRace: no secret that was put with the old key is missed.
func secretRewrapRace(t *testing.T, s store.Store) {
	setCheck(t, s)
	var wg sync.WaitGroup
	stored := make([]bool, 12)
	for i := range stored {
		wg.Go(func() {
			_, err := s.Secrets.Put(t.Context(), newSecret(fmt.Sprint("S", i)))
			if stored[i] = err == nil; err != nil {
				wantCode(t, err, fault.SecretsKeyWrong)
			}
		})
	}
	wg.Go(func() {
		if _, err := s.Secrets.Rewrap(t.Context(), store.Rewrap{
			Old: masterCheck, New: "second", At: base, Wrap: func(store.WrappedKey) (string, error) { return "new", nil },
		}); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	for i, ok := range stored {
		if ok {
			if got := readSecret(t, s, fmt.Sprint("S", i)); got.Sealed.DataKey != "new" {
				t.Errorf("S%d has %v", i, got.Sealed)
			}
		}
	}
}
