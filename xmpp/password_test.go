package xmpp

import (
	"crypto/tls"
	"testing"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

const password = "correct horse"

var tlsVersions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// byPassword lets the account of the pair log in by password.
func (p *pair) byPassword(t testing.TB) {
	t.Helper()
	v, err := sasl.NewVerifier(password)
	if err != nil {
		t.Fatal(err)
	}
	p.server.Passwords = new(sasl.Passwords)
	p.server.Passwords.Set(nil, map[jid.JID]sasl.Verifier{p.client.JID.Bare(): v})
	p.client.Password = func() (string, error) { return password, nil }
}

// Each mechanism works over each version of TLS, and both ends say what was used.
//
// RFC 6120, Section 6; RFC 5802; RFC 7677; RFC 9266; XEP-0440.
func TestMechanisms(t *testing.T) {
	type outcome struct{ Mechanism, Binding string }
	for _, version := range tlsVersions {
		for _, tt := range []struct {
			name string
			edit func(t *testing.T, p *pair)
			want outcome
		}{
			{"certificate", func(*testing.T, *pair) {}, outcome{sasl.NameExternal, ""}},
			{"certificate and password", func(t *testing.T, p *pair) { p.byPassword(t) }, outcome{sasl.NameExternal, ""}},
			{"password", func(t *testing.T, p *pair) { p.byPassword(t); p.client.Identity = nil }, outcome{sasl.NameSCRAMPlus, sasl.BindingExporter}},
			{"password with unbound allowed", func(t *testing.T, p *pair) {
				p.byPassword(t)
				p.client.Identity, p.client.AllowUnbound = nil, true
			}, outcome{sasl.NameSCRAMPlus, sasl.BindingExporter}},
		} {
			t.Run(tt.name+" "+tls.VersionName(version), func(t *testing.T) {
				p := newPair(t)
				tt.edit(t, p)
				p.client.maxTLS = version
				var got []Info
				served := p.serve(t.Context(), func(c *Conn) { got = append(got, c.Info()); echo(c) })
				s, err := Dial(t.Context(), p.client)
				if err != nil {
					t.Fatal(err)
				}
				info := s.Info()
				s.Close()
				<-served
				for end, i := range map[string]Info{"client": info, "server": got[0]} {
					if have := (outcome{i.Mechanism, i.ChannelBinding}); have != tt.want || i.TLS.Version != version {
						t.Errorf("%s: %v over %s, want %v over %s", end, have, tls.VersionName(i.TLS.Version), tt.want, tls.VersionName(version))
					}
				}
				if (info.Local == nil) != (p.client.Identity == nil) || (got[0].Peer == nil) != (p.client.Identity == nil) {
					t.Errorf("certificates: client showed %v, server saw %v", info.Local, got[0].Peer)
				}
				if all := append(ids(&p.clientEvents), ids(&p.serverEvents)...); len(all) > 0 {
					t.Errorf("events: %v", all)
				}
			})
		}
	}
}
