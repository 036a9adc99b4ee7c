package e2e

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

// hierarchy is a root of its own, and what issues below it.
func hierarchy(t *testing.T, domain string) (*pki.CA, *pki.Trust) {
	t.Helper()
	root, err := pki.NewRoot(pki.E2E, domain)
	if err != nil {
		t.Fatal(err)
	}
	issuing, err := root.NewIssuing()
	if err != nil {
		t.Fatal(err)
	}
	trust, err := pki.NewTrust([]*x509.Certificate{root.Certificate()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return issuing, trust
}

// TestE4AuthorityOfAnotherDomain: the authority of a domain vouches for that domain's parties, for nobody else's, and with no
// more roles than it may give here.
func TestE4AuthorityOfAnotherDomain(t *testing.T) {
	theirs, theirTrust := hierarchy(t, "utility.example")
	const foreign = "ems@utility.example"
	ours := authorities().issuing
	for _, tt := range []struct {
		name   string
		issuer *pki.CA
		as     string
		roles  []rbac.Role
		want   []rbac.Role
		event  audit.ID // of the refusal
	}{
		{name: "of its domain, with a role that may be given", issuer: theirs, as: foreign, roles: []rbac.Role{rbac.Viewer, rbac.Operator}, want: []rbac.Role{rbac.Operator}},
		{name: "of its domain, with a role that may not be given", issuer: theirs, as: foreign, roles: []rbac.Role{rbac.Viewer}},
		{name: "of its domain, which may give no role", issuer: theirs, as: foreign},
		{name: "of ours", issuer: theirs, as: clientJID, roles: []rbac.Role{rbac.Operator}, event: audit.E2EHandshakeCertificate},
		{name: "our authority for a party of that domain", issuer: ours, as: foreign, roles: []rbac.Role{rbac.Operator}, event: audit.E2EHandshakeCertificate},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			id, err := tt.issuer.IssueE2E(tt.as, []rbac.Grant{(*rbac.Policy)(nil).NewGrant(rbac.Operator, "*")})
			if err != nil {
				t.Fatal(err)
			}
			w.client.Identity = id
			w.server.Domains = map[string]Domain{"utility.example": {Trust: theirTrust, Roles: tt.roles}}
			w.responder = w.newResponder()
			i, req := w.request("17")
			o, err := w.responder.Open(w.now, tt.as+"/IEC", "17", req)
			if tt.event != "" {
				w.refusal(err, tt.event)
				wantEvent(t, w.seen, tt.event)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			acc, server, err := o.Accept(w.now, "17:934", []byte(appResponse))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := i.Answer(w.now, serverFull, "17:934", acc); err != nil {
				t.Fatal(err)
			}
			var got []rbac.Role
			for _, g := range o.Peer().Grants {
				got = append(got, g.Role)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("roles (-want +got):\n%s", d)
			}
			if err := server.Recheck(w.now.Add(time.Minute)); err != nil {
				t.Errorf("the same authority finds its certificate no longer good: %v", err)
			}
		})
	}
}
