package pki

import (
	"crypto/x509"
	"testing"
	"time"

	"busbar.example/secure/audit"
)

func TestM10DomainCertificate(t *testing.T) {
	h := newHierarchy(t, E2M)
	const domain = "site.example"
	usage := func(u ...x509.ExtKeyUsage) func(*draft) { return func(d *draft) { d.ExtKeyUsage = u } }
	named := func(n names) func(*draft) { return func(d *draft) { d.names = n } }
	cases := []struct {
		name           string
		edit           func(*draft)
		server, client Rule // 0: accepted
	}{
		{"for both ends", usage(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth), 0, 0},
		{"for servers only", usage(x509.ExtKeyUsageServerAuth), 0, 0},
		{"for clients only", usage(x509.ExtKeyUsageClientAuth), RuleUsage, 0},
		{"for anything", usage(x509.ExtKeyUsageAny), RuleUsage, RuleUsage},
		{"for nothing in particular", usage(), RuleUsage, RuleUsage},
		{"SRVName of servers alone", named(names{srv: []string{"_xmpp-server." + domain}}), 0, 0},
		{"SRVName of clients alone", named(names{srv: []string{"_xmpp-client." + domain}}), RuleName, RuleName},
		{"another domain", named(names{dns: []string{"other.example"}}), RuleName, RuleName},
		{"an account of the domain", named(names{xmpp: []string{"ied1@" + domain}}), RuleName, RuleName},
		{"the domain as an account", named(names{xmpp: []string{domain}}), RuleName, RuleName},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			chain := mint(t, h.issuing, forServer, func(d *draft) {
				d.ExtKeyUsage = append(d.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
				c.edit(d)
			})
			check := func(v *Verified, err error, rule Rule, id audit.ID) {
				t.Helper()
				if rule != 0 {
					wantRefusal(t, v, err, rule, id)
				} else if err != nil {
					t.Errorf("refused: %v", err)
				}
			}
			v, err := h.trust.VerifyDomain(chain, domain, time.Now())
			check(v, err, c.server, audit.ServerCertificate)
			v, err = h.trust.VerifyDomainClient(chain, domain, time.Now())
			check(v, err, c.client, audit.ClientCertificate)
		})
	}
}

// What IssueServer makes is enough for a server at both ends of a stream to another.
func TestIssuedServerStandsAtBothEnds(t *testing.T) {
	h := newHierarchy(t, E2M)
	id, err := h.issuing.IssueServer("site.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, verify := range map[string]func([]*x509.Certificate, string, time.Time) (*Verified, error){
		"as TLS server": h.trust.VerifyDomain, "as TLS client": h.trust.VerifyDomainClient, "for its clients": h.trust.VerifyServer,
	} {
		v, err := verify(id.Chain, "site.example", time.Now())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := h.trust.Recheck(v, time.Now()); err != nil {
			t.Errorf("%s, rechecked: %v", name, err)
		}
	}
}
