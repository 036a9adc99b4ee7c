package xmpp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

const password = "pencil"

var tlsVersions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// byPassword lets the account of the pair log in by password.
func (p *pair) byPassword() {
	p.server.Passwords = pencils()
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
			{"certificate and password", func(t *testing.T, p *pair) { p.byPassword() }, outcome{sasl.NameExternal, ""}},
			{"password", func(t *testing.T, p *pair) { p.byPassword(); p.client.Identity = nil }, outcome{sasl.NameSCRAMPlus, sasl.BindingExporter}},
			{"password with unbound allowed", func(t *testing.T, p *pair) {
				p.byPassword()
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

// What a client hears of a refusal is the condition alone, and nothing that is
// written down shows a password.
func TestPasswordRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		edit      func(p *pair)
		condition sasl.Condition
		events    []audit.ID
	}{
		"wrong":               {func(p *pair) { p.client.Password = func() (string, error) { return "open sesame", nil } }, sasl.NotAuthorized, []audit.ID{audit.PasswordRefused}},
		"account without one": {func(p *pair) { p.client.JID = jid.MustParse("ied2@" + domain) }, sasl.NotAuthorized, []audit.ID{audit.PasswordRefused}},
		"account not allowed": {func(p *pair) { p.server.Allowed = func(jid.JID) bool { return false } }, sasl.NotAuthorized, []audit.ID{audit.PasswordRefused}},
		"certificate of another CA": {func(p *pair) {
			other, err := newSite()
			if err != nil {
				t.Fatal(err)
			}
			p.client.Identity = other.client
		}, sasl.NotAuthorized, []audit.ID{audit.CertificateUnknownCA, audit.PasswordRefused}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.byPassword()
			p.client.Identity = nil
			tt.edit(p)
			var log strings.Builder
			p.client.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			served := p.serve(t.Context(), echo)
			_, err := Dial(t.Context(), p.client)
			if !errors.Is(err, &sasl.Failure{Condition: tt.condition, Remote: true}) {
				t.Errorf("Dial: %v, want %s", err, tt.condition)
			}
			serverErr := <-served
			if d := cmp.Diff(tt.events, ids(&p.serverEvents)); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
			written := fmt.Sprint(err, serverErr, p.clientEvents.Events(), p.serverEvents.Events(), log.String())
			for _, secret := range []string{password, "open sesame"} {
				if strings.Contains(written, secret) {
					t.Errorf("the password is shown: %s", written)
				}
			}
		})
	}
}

// Somebody between the ends who can pass for the server in TLS, as in the case of
// jabber.ru in 2023, cannot pass on a login by password: one of the ends notices.
//
// RFC 5802, Section 6; RFC 9266; XEP-0440; XEP-0474.
func TestM4InTheMiddle(t *testing.T) {
	const plus, list = "<mechanism>SCRAM-SHA-256-PLUS</mechanism>", "<channel-binding type='tls-exporter'/>"
	for name, tt := range map[string]struct {
		edit    func(offer string) string // what the client sees of the server's
		unbound bool                      // allowed
		by      string                    // who notices; "" where it depends on the version of TLS
		event   audit.ID
	}{
		"passes all on":                    {func(s string) string { return s }, false, "server", audit.ChannelBinding},
		"strips -PLUS":                     {func(s string) string { return strings.Replace(s, plus, "", 1) }, false, "client", audit.ChannelBinding},
		"strips -PLUS, unbound is allowed": {func(s string) string { return strings.Replace(s, plus, "", 1) }, true, "server", audit.ChannelBinding},
		"strips the list and -PLUS": {func(s string) string {
			_, s, _ = strings.Cut(strings.Replace(s, plus, "", 1), "</sasl-channel-binding>")
			return "<stream:features>" + s
		}, false, "client", audit.ChannelBinding},
		"empties the list":                    {func(s string) string { return strings.ReplaceAll(s, "<channel-binding ", "<x ") }, false, "client", audit.ChannelBinding},
		"strips tls-exporter":                 {func(s string) string { return strings.Replace(s, list, "", 1) }, false, "client", audit.ChannelBinding},
		"strips SCRAM":                        {func(s string) string { return strings.ReplaceAll(s, "SCRAM-SHA-256", "SCRAM-SHA-1") }, true, "client", audit.SASLDowngrade},
		"strips the list, unbound is allowed": {func(s string) string { return strings.ReplaceAll(s, "sasl-channel-binding", "x") }, true, "", audit.ChannelBinding},
	} {
		for _, version := range tlsVersions {
			t.Run(name+" "+tls.VersionName(version), func(t *testing.T) {
				p := newPair(t)
				p.byPassword()
				p.client.Identity, p.client.AllowUnbound, p.client.maxTLS = nil, tt.unbound, version
				mallory, err := p.site.ca.IssueServer(domain)
				if err != nil {
					t.Fatal(err)
				}
				front, back := p.serverEnd, net.Conn(nil)
				back, p.serverEnd = net.Pipe()
				served := p.serve(t.Context(), echo)
				relayed := make(chan struct{})
				go func() {
					defer close(relayed)
					newRaw(t, front).run(func(f *raw) {
						newRaw(t, back).run(func(b *raw) { relay(f, b, mallory, tt.edit) })
					})
				}()
				_, err = Dial(t.Context(), p.client)
				p.clientEnd.Close()
				<-relayed
				if serverErr := <-served; err == nil || serverErr == nil {
					t.Errorf("the client ends with %v, the server with %v", err, serverErr)
				}
				noticed := map[string][]audit.ID{"client": ids(&p.clientEvents), "server": ids(&p.serverEvents)}
				if d := cmp.Diff([]audit.ID{tt.event}, slices.Concat(noticed["client"], noticed["server"])); d != "" {
					t.Errorf("events (-want +got):\n%s", d)
				}
				if tt.by != "" && len(noticed[tt.by]) == 0 {
					t.Errorf("the %s has not noticed: %v", tt.by, noticed)
				}
			})
		}
	}
}

// relay passes a login on from the client at f to the server at b, as mallory.
func relay(f, b *raw, mallory *pki.Identity, edit func(string) string) {
	f.secured(mallory)
	b.send(clientHeader)
	b.until("</stream:features>")
	b.send(startTLSAsk)
	b.until(proceed)
	b.handshake(tls.Client(b.nc, clientTLS(nil)))
	b.send(clientHeader)
	b.until("streams'>")
	f.send(serverHeader, edit(b.until("</stream:features>")))
	for {
		said := f.next()
		if !strings.Contains(said, "urn:ietf:params:xml:ns:xmpp-sasl") || strings.Contains(said, "<abort") {
			return
		}
		b.send(said)
		f.send(b.next())
	}
}

// next reads what the peer writes next.
func (r *raw) next() string {
	b := make([]byte, 4096)
	n, err := r.conn.Read(b)
	if err != nil {
		panic(errRaw)
	}
	return string(b[:n])
}

// Where a server knows no channel binding, as over TLS 1.2 without the extended
// master secret and with a certificate whose signature has no hash, it does not
// offer one: a client that has none either would be taken for deceived.
//
// RFC 5802, Section 6.
func TestNoBindingNoPLUS(t *testing.T) {
	cfg := ServerConfig{Passwords: pencils()}
	ch := sasl.Channel{Domain: domain}
	m := machine{learned: learned{proven: proven{channel: ch}}, servers: cfg.mechanisms(ch)}
	if d := cmp.Diff([]string{sasl.NameSCRAM}, m.announced().Mechanisms); d != "" {
		t.Errorf("mechanisms (-want +got):\n%s", d)
	}
}
