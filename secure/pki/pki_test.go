package pki

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/rbac"
)

// hierarchy is a root, an issuing CA and the Trust in them, with empty
// revocation lists.
type hierarchy struct {
	root, issuing *CA
	trust         *Trust
	crlFiles      []string // of the root, of the issuing CA
}

func newHierarchy(t testing.TB, h Hierarchy) hierarchy {
	t.Helper()
	root, err := NewRoot(h, "site.example")
	if err != nil {
		t.Fatal(err)
	}
	issuing, err := root.NewIssuing()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	crls := []string{filepath.Join(dir, "root.crl"), filepath.Join(dir, "issuing.crl")}
	for i, ca := range []*CA{root, issuing} {
		if err := ca.WriteCRL(crls[i]); err != nil {
			t.Fatal(err)
		}
	}
	rootFile := filepath.Join(dir, "root.crt")
	if err := root.Save(rootFile, filepath.Join(dir, "root.key")); err != nil {
		t.Fatal(err)
	}
	trust, err := LoadTrust([]string{rootFile}, crls)
	if err != nil {
		t.Fatal(err)
	}
	return hierarchy{root, issuing, trust, crls}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestIssuedIdentitiesVerify(t *testing.T) {
	e2m, e2e := newHierarchy(t, E2M), newHierarchy(t, E2E)
	now := time.Now()

	server := must(e2m.issuing.IssueServer("site.example"))(t)
	v := must(e2m.trust.VerifyServer(server.Chain, "site.example", now))(t)
	if len(v.chain) != 3 || len(v.Warnings()) != 0 || v.Grants() != nil {
		t.Errorf("server: chain of %d, warnings %v, grants %v", len(v.chain), v.Warnings(), v.Grants())
	}
	client := must(e2m.issuing.IssueClientTLS("ied1@site.example"))(t)
	v = must(e2m.trust.VerifyClient(client.Chain, now))(t)
	if d := cmp.Diff([]string{"ied1@site.example"}, v.XMPPAddrs()); d != "" {
		t.Errorf("client names (-want +got):\n%s", d)
	}
	if d := cmp.Diff(client.XMPPAddrs(), v.XMPPAddrs()); d != "" {
		t.Errorf("the client's own view of its names (-own +verified):\n%s", d)
	}
	grants := []rbac.Grant{rbac.DefaultPolicy().NewGrant(rbac.Operator, "PV*"), rbac.DefaultPolicy().NewGrant(rbac.SECAUD, "")}
	user := must(e2e.issuing.IssueE2E("operator@site.example", grants))(t)
	v = must(e2e.trust.VerifyE2E(user.Chain, now))(t)
	leaf := v.Leaf()
	for i := range grants {
		grants[i].NotBefore, grants[i].NotAfter = leaf.NotBefore, leaf.NotAfter
	}
	grants[1].AOR = "*"
	if d := cmp.Diff(grants, v.Grants()); d != "" {
		t.Errorf("grants (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"operator@site.example"}, v.XMPPAddrs()); d != "" {
		t.Errorf("E2E names (-want +got):\n%s", d)
	}
}
