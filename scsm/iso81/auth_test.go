package iso81

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"busbar.example/mms/assoc"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

func authority(t testing.TB) (*pki.CA, *pki.Trust) {
	t.Helper()
	root, err := pki.NewRoot(pki.E2M, "test.example")
	must(t, err)
	trust, err := pki.NewTrust([]*x509.Certificate{root.Certificate()}, nil)
	must(t, err)
	return root, trust
}

// dialWith makes an association as a client with cfg does, and releases it.
func (s *served) dialWith(cfg Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	link, err := Dial(ctx, s.addr, cfg)
	if err != nil {
		return err
	}
	a, err := assoc.Initiate(ctx, link, assoc.Config{})
	if err != nil {
		return err
	}
	return a.Conclude(ctx)
}

// A certificate in ACSE authenticates who holds its key, now and once. IEC TS 62351-4:2007.
//
// Conformance: sAssN1, sAssN2, sAssN6.
func TestCertificateInACSE(t *testing.T) {
	root, trust := authority(t)
	client, err := root.IssueServer("ems.test.example")
	must(t, err)
	stranger, _ := authority(t)
	other, err := stranger.IssueServer("ems.test.example")
	must(t, err)
	otherKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	cases := []struct {
		name   string
		auth   Auth
		change func(*certificateBased)
		now    time.Duration // how late it is looked at
		want   string        // empty: it is taken
	}{
		{name: "as it should be", auth: Auth{Identity: client}},
		{name: "9:59 minutes late", auth: Auth{Identity: client}, now: clockSkew - time.Second},
		{name: "10:01 minutes late", auth: Auth{Identity: client}, now: clockSkew + time.Second, want: "off"},
		{name: "10:01 minutes early", auth: Auth{Identity: client}, now: -clockSkew - time.Second, want: "off"},
		{name: "another CA", auth: Auth{Identity: other}, want: "CA"},
		{name: "another key", auth: Auth{Identity: &pki.Identity{Chain: client.Chain, Key: otherKey}}, want: "signature"},
		{name: "another time", auth: Auth{Identity: client}, change: func(c *certificateBased) { c.Time = "2" + c.Time[1:13] + "9Z" }, want: "signature"},
		{name: "a time that is none", auth: Auth{Identity: client}, change: func(c *certificateBased) { c.Time = "yesterday" }, want: "time"},
		{name: "no certificate", auth: Auth{Identity: client}, change: func(c *certificateBased) { c.Certificate = nil }, want: "certificate"},
		{name: "a signature cut short", auth: Auth{Identity: client}, change: func(c *certificateBased) { c.Signature = c.Signature[1:] }, want: "signature"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			now := time.Now()
			p, err := c.auth.proof(now)
			must(t, err)
			var value mmsAuthentication
			octets, _ := p.value.(*externalValue).External.Encoding.octets()
			if err := lenience(true).decode(LayerACSE, "", octets, authenticationType, &value); err != nil {
				t.Fatal(err)
			}
			based := value.(*certificateBased)
			if c.change != nil {
				c.change(based)
			}
			a := &Association{trust: trust, seen: new(signatures)}
			verified, err := a.verify(based, now.Add(c.now))
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want an error that says %q", err, c.want)
				}
				return
			}
			if err != nil || pki.Name(verified.Leaf()) != pki.Name(client.Chain[0]) {
				t.Fatalf("got %v, %v", verified, err)
			}
			if _, err := a.verify(based, now.Add(c.now)); err != errReplayed {
				t.Errorf("again: got %v, want %v", err, errReplayed)
			}
		})
	}
}

// What a client shows in ACSE is what the server decides on, and a refusal is an event.
//
// Conformance: sAssN1, sAssN2, sAssN6, sAssN7.
func TestCredentialsReachTheServer(t *testing.T) {
	root, trust := authority(t)
	id, err := root.IssueServer("ems.test.example")
	must(t, err)
	stranger, _ := authority(t)
	unknown, err := stranger.IssueServer("ems.test.example")
	must(t, err)
	var got Credentials
	cfg := ServerConfig{AuthTrust: trust, Subject: func(c Credentials) (rbac.Subject, error) {
		got = c
		if string(c.Password) == "wrong" {
			return rbac.Subject{}, errors.New("it is wrong")
		}
		return rbac.Subject{Name: "ems"}, nil
	}}
	cases := []struct {
		name  string
		auth  *Auth
		check func(Credentials) bool
		want  string
		event audit.ID // empty: none of ours
	}{
		{"nothing", nil, func(c Credentials) bool { return c.Password == nil && c.Certificate == nil }, "", ""},
		{"a password", &Auth{Password: []byte("right\x00\xff")}, func(c Credentials) bool { return string(c.Password) == "right\x00\xff" }, "", ""},
		{"an empty password", &Auth{Password: []byte{}}, func(c Credentials) bool { return c.Password != nil && len(c.Password) == 0 }, "", ""},
		{"a wrong password", &Auth{Password: []byte("wrong")}, func(Credentials) bool { return true }, "authentication failure", ""},
		{"a certificate", &Auth{Identity: id}, func(c Credentials) bool { return c.Certificate != nil && c.Certificate.Leaf().Equal(id.Chain[0]) }, "", ""},
		{"a certificate of another CA", &Auth{Identity: unknown}, nil, "authentication failure", audit.CertificateUnknownCA},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got = Credentials{}
			s := serve(t, cfg)
			err := s.dialWith(Config{Auth: c.auth})
			s.outcome()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the client hears %v, want %q", err, c.want)
			}
			if c.check != nil && (!c.check(got) || got.APTitle != "1.1.1.999" || got.AEQualifier != "12" || got.RemoteAddr == "") {
				t.Errorf("the server sees %+v", got)
			}
			var ids []audit.ID
			for _, e := range s.Audit.Events() {
				ids = append(ids, e.ID)
			}
			if c.event == "" && len(ids) > 0 || c.event != "" && (len(ids) != 1 || ids[0] != c.event) {
				t.Errorf("events %v, want %v", ids, c.event)
			}
		})
	}
}

// Both ends of TLS prove who they are, or there is no association, and both know why. IEC 62351-3.
func TestTLSIsMutual(t *testing.T) {
	root, trust := authority(t)
	ied, err := root.IssuePeerTLS("pv1@test.example", "pv1.test.example", "127.0.0.1")
	must(t, err)
	ems, err := root.IssueClientTLS("ems@test.example")
	must(t, err)
	strangers, strange := authority(t)
	stranger, err := strangers.IssueClientTLS("ems@test.example")
	must(t, err)
	server := &TLS{Identity: ied, Trust: trust}
	cases := []struct {
		name   string
		client *TLS
		want   string   // of the client's error, empty: it is taken
		event  audit.ID // of the server
		own    audit.ID // of the client
	}{
		{"named by address", &TLS{Identity: ems, Trust: trust}, "", audit.TLSEstablished, ""},
		{"named by name", &TLS{Identity: ems, Trust: trust, ServerName: "pv1.test.example"}, "", audit.TLSEstablished, ""},
		{"another name", &TLS{Identity: ems, Trust: trust, ServerName: "pv2.test.example"}, `wanted "pv2.test.example"`, audit.TLSRefused, audit.ServerCertificate},
		{"another CA of the server", &TLS{Identity: ems, Trust: strange}, "CA", audit.TLSRefused, audit.CertificateUnknownCA},
		{"another CA of the client", &TLS{Identity: stranger, Trust: trust}, "", audit.CertificateUnknownCA, ""},
		{"a server's certificate of the client", &TLS{Identity: ied, Trust: trust}, "", audit.ClientCertificate, ""},
		{"no TLS", nil, "", audit.TLSRefused, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, ServerConfig{Config: Config{TLS: server}})
			var own audit.Memory
			err := s.dialWith(Config{TLS: c.client, Audit: &own})
			outcome := s.outcome()
			if taken := c.event == audit.TLSEstablished; taken != (err == nil) || taken != (outcome == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the client says %v, the server %v, want %q", err, outcome, c.want)
			}
			if events := s.Audit.Events(); len(events) != 1 || events[0].ID != c.event {
				t.Errorf("the server's events: %+v, want %v", events, c.event)
			}
			if events := own.Events(); c.own != "" && (len(events) != 1 || events[0].ID != c.own) {
				t.Errorf("the client's events: %+v, want %v", events, c.own)
			}
		})
	}
}
