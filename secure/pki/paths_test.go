package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"busbar.example/secure/audit"
)

// TestRememberedPathIsCheckedAnew: what changes without the certificates counts each time.
func TestRememberedPathIsCheckedAnew(t *testing.T) {
	h := newHierarchy(t, E2E)
	chain := mint(t, h.issuing, forE2E, func(*draft) {})
	verify := func(chain []*x509.Certificate, now time.Time) (*Verified, error) {
		return h.trust.VerifyE2E(chain, now)
	}
	known := func(t *testing.T) {
		t.Helper()
		must(verify(chain, time.Now()))(t)
		if h.trust.basis.Load().paths.get(keyOf(chain, forE2E)) == nil {
			t.Fatal("the path is not remembered")
		}
	}
	t.Run("it serves a chain that was parsed anew", func(t *testing.T) {
		known(t)
		var again []*x509.Certificate
		for _, c := range chain {
			again = append(again, must(x509.ParseCertificate(c.Raw))(t))
		}
		if v := must(verify(again, time.Now()))(t); !v.Leaf().Equal(chain[0]) || len(v.chain) != 3 {
			t.Errorf("got a chain of %d for %v", len(v.chain), v.Leaf().Subject)
		}
	})
	t.Run("expired", func(t *testing.T) {
		known(t)
		v, err := verify(chain, later(leafValidity+day))
		wantRefusal(t, v, err, RuleExpired, audit.CertificateExpired)
	})
	t.Run("not yet valid", func(t *testing.T) {
		known(t)
		v, err := verify(chain, later(-10*day))
		wantRefusal(t, v, err, RuleNotYetValid, audit.E2ECertificate)
	})
	t.Run("another signature", func(t *testing.T) {
		known(t)
		raw := bytes.Clone(chain[0].Raw)
		raw[len(raw)-1] ^= 1
		forged := must(x509.ParseCertificate(raw))(t)
		v, err := verify(append([]*x509.Certificate{forged}, chain[1:]...), time.Now())
		var refused *VerifyError
		if v != nil || !errors.As(err, &refused) {
			t.Errorf("got %v, %v, want a refusal", v, err)
		}
	})
	t.Run("without the certificates between", func(t *testing.T) {
		known(t)
		v, err := verify(chain[:1], time.Now())
		wantRefusal(t, v, err, RuleUnknownCA, audit.CertificateUnknownCA)
	})
	t.Run("another purpose", func(t *testing.T) {
		known(t)
		v, err := h.trust.VerifyClient(chain, time.Now())
		wantRefusal(t, v, err, RuleUsage, audit.ClientCertificate)
	})
	t.Run("another trust", func(t *testing.T) {
		known(t)
		v, err := newHierarchy(t, E2E).trust.VerifyE2E(chain, time.Now())
		wantRefusal(t, v, err, RuleUnknownCA, audit.CertificateUnknownCA)
	})
	t.Run("fail closed", func(t *testing.T) {
		open := must(NewTrust([]*x509.Certificate{h.root.Certificate()}, nil))(t)
		v := must(open.VerifyE2E(chain, time.Now()))(t)
		if len(v.Warnings()) == 0 || len(must(open.VerifyE2E(chain, time.Now()))(t).Warnings()) == 0 {
			t.Error("a missing revocation list is no warning")
		}
		open.SetFailClosed(true)
		v, err := open.VerifyE2E(chain, time.Now())
		wantRefusal(t, v, err, RuleCRLMissing, audit.CRLMissing)
	})
	t.Run("the issuing CA is revoked", func(t *testing.T) {
		known(t)
		if err := h.root.WriteCRL(h.crlFiles[0], h.issuing.Certificate().SerialNumber); err != nil {
			t.Fatal(err)
		}
		if err := h.trust.Refresh(); err != nil {
			t.Fatal(err)
		}
		v, err := verify(chain, time.Now())
		wantRefusal(t, v, err, RuleRevoked, audit.CertificateRevoked)
	})
}

func TestWhatIsRefusedIsNotRemembered(t *testing.T) {
	h := newHierarchy(t, E2E)
	chain := mint(t, rogue(t, E2E), forE2E, func(*draft) {})
	if _, err := h.trust.VerifyE2E(chain, time.Now()); err == nil {
		t.Fatal("a rogue's certificate is accepted")
	}
	if len(h.trust.basis.Load().paths.paths) != 0 {
		t.Error("something is remembered")
	}
}

func TestPathCacheIsBoundedAndSafe(t *testing.T) {
	var c pathCache
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := range maxPaths {
				key := pathKey{byte(n), byte(i), byte(i >> 8)}
				c.put(key, [][]*x509.Certificate{})
				c.get(key)
			}
		})
	}
	wg.Wait()
	if len(c.paths) != maxPaths {
		t.Errorf("it holds %d, want %d", len(c.paths), maxPaths)
	}
	a, b := &x509.Certificate{Raw: []byte("ab")}, &x509.Certificate{Raw: []byte("c")}
	d, e := &x509.Certificate{Raw: []byte("a")}, &x509.Certificate{Raw: []byte("bc")}
	keys := []pathKey{keyOf([]*x509.Certificate{a, b}, forE2E), keyOf([]*x509.Certificate{d, e}, forE2E), keyOf([]*x509.Certificate{a, b}, forServer)}
	slices.SortFunc(keys, func(x, y pathKey) int { return bytes.Compare(x[:], y[:]) })
	if len(slices.Compact(keys)) != 3 {
		t.Error("what differs has the same key")
	}
}
