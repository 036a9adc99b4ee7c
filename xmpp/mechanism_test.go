package xmpp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

// dance is a mechanism in which both sides prove themselves: the client says
// "hello", answers "1" with "2", and believes a success only with "3".
var (
	danceClient = sasl.Client{Name: "DANCE", Start: func(sasl.Offer) sasl.ClientStep {
		says := map[string]string{"": "hello", "1": "2", "3": ""}
		return func(in []byte) ([]byte, bool, error) {
			out, ok := says[string(in)]
			if !ok {
				return nil, false, errors.New("the server does not dance")
			}
			return []byte(out), string(in) == "3", nil
		}
	}}
	danceServer = sasl.Server{Name: "DANCE", Start: func(sasl.Offer) sasl.ServerStep {
		return func(in []byte) ([]byte, sasl.Login, error) {
			switch string(in) {
			case "hello":
				return []byte("1"), sasl.Login{}, nil
			case "2":
				return []byte("3"), sasl.Login{Account: jid.MustParse("ied1@" + domain)}, nil
			}
			return nil, sasl.Login{}, &sasl.Failure{Condition: sasl.NotAuthorized}
		}
	}}
)

// Another mechanism is a value, on both ends of the one machine.
func TestAnotherMechanism(t *testing.T) {
	a, b := net.Pipe()
	shells := make([]*shell, 2)
	for i, nc := range []net.Conn{a, b} {
		c := newConn(nc, settings{trace: traceOf(nil)}.withDefaults())
		m := newMachine(domain)
		m.newID = func() string { return "id" }
		m.limits = c.limits
		shells[i] = &shell{Conn: c, m: m, secure: func() (sasl.Channel, error) { return sasl.Channel{Domain: domain}, nil }}
	}
	client, server := shells[0], shells[1]
	client.m.initiator, client.m.account = true, jid.MustParse("ied1@"+domain)
	client.m.clients = []sasl.Client{danceClient, sasl.External(jid.JID{})}
	server.m.servers = []sasl.Server{sasl.ExternalServer(nil), danceServer}
	server.bind = func(context.Context, string) error {
		server.setJID(jid.MustParse("ied1@" + domain + "/x"))
		return nil
	}
	served := make(chan error)
	go func() { served <- server.negotiate(t.Context()) }()
	if err := errors.Join(client.negotiate(t.Context()), <-served); err != nil {
		t.Fatal(err)
	}
	for _, s := range shells {
		if s.JID().String() != "ied1@site.example/x" || s.info.Mechanism != "DANCE" {
			t.Errorf("%s by %s", s.JID(), s.info.Mechanism)
		}
		s.nc.Close()
	}
}

func TestServerThatDoesNotProveItself(t *testing.T) {
	success := func(text string) string { return strings.Replace(saslSuccess, "/>", ">"+text+"</success>", 1) }
	challenge := "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>MQ==</challenge>"
	tests := map[string][]string{
		"success at once":                {saslSuccess},
		"success after the challenge":    {challenge, saslSuccess},
		"success with the wrong data":    {challenge, success("NA==")},
		"success with what is no base64": {challenge, success("Mw=\n=")},
		"challenge that is no base64":    {"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>*</challenge>"},
		"wrong challenge":                {"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>NA==</challenge>"},
		"something else":                 {"<x xmlns='urn:x'/>"},
	}
	for name, says := range tests {
		t.Run(name, func(t *testing.T) {
			sc := &script{lines: []string{"client ied1@site.example", "< " + serverHeader, "< " + features(startTLSOffer), "< " + proceed, "tls",
				"< " + serverHeader, "< " + features("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>DANCE</mechanism></mechanisms>")}}
			for _, s := range says {
				sc.lines = append(sc.lines, "< "+strings.ReplaceAll(s, "\n", "&#10;"))
			}
			s := sc.shell(t)
			s.m.clients = []sasl.Client{danceClient}
			var ne *NegotiationError
			if err := s.negotiate(t.Context()); !errors.As(err, &ne) || ne.Step != StepSASL || errors.Is(err, ErrBroken) {
				t.Errorf("ended with %v:\n%s", err, sc.out.String())
			}
			if strings.Count(sc.out.String(), "> <?xml") != 2 {
				t.Errorf("the client goes on:\n%s", sc.out.String())
			}
		})
	}
}

// With TLS 1.3 a client hears only on its first read that its certificate was
// refused in the handshake.
func TestServerRefusesOurCertificate(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.overTCP(t) // both sides write at once, which a pipe does not bear
			_, err := p.dialRaw(t, func(r *raw) {
				r.until("streams'>")
				r.send(serverHeader, features(startTLSOffer))
				r.until(startTLSAsk)
				r.send(proceed)
				cfg := &tls.Config{
					Certificates: []tls.Certificate{p.server.Identity.TLSCertificate()}, MaxVersion: version,
					ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool(),
				}
				tls.Server(r.nc, cfg).Handshake()
				r.conn.Read(make([]byte, 4096)) // closing with unread octets would take the alert back
			})
			var ne *NegotiationError
			if !errors.As(err, &ne) || ne.Step != StepTLS || !strings.Contains(ne.Hint, "our certificate") {
				t.Errorf("Dial: %v (%+v)", err, ne)
			}
			if d := cmp.Diff([]audit.ID{audit.TLSRefused}, ids(&p.clientEvents)); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
		})
	}
}

// overTCP joins the pair on the loopback.
func (p *pair) overTCP(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if p.clientEnd, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if p.serverEnd, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
}

func TestHints(t *testing.T) {
	s := &shell{Conn: &Conn{}, m: newMachine(domain)}
	s.m.initiator, s.m.account = true, jid.MustParse("ied1@"+domain)
	for want, err := range map[string]error{
		"does not serve site.example": &StreamError{Condition: HostUnknown, Remote: true},
		"this account":                &StreamError{Condition: NotAuthorized, Remote: true},
		"try again later":             &StreamError{Condition: SystemShutdown, Remote: true},
		"exactly the account's JID":   &sasl.Failure{Condition: sasl.InvalidAuthzid, Remote: true},
		"operator":                    &sasl.Failure{Condition: sasl.AccountDisabled, Remote: true},
		"ied1@site.example":           &sasl.Failure{Condition: sasl.NotAuthorized, Remote: true},
		"does not answer":             context.DeadlineExceeded,
		"expired":                     &net.OpError{Op: "remote error", Err: errors.New("tls: expired certificate")},
		"in common":                   &net.OpError{Op: "remote error", Err: errors.New("tls: protocol version not supported")},
		"its log":                     &net.OpError{Op: "remote error", Err: errors.New("tls: internal error")},
	} {
		if got := s.explain(err).Hint; !strings.Contains(got, want) {
			t.Errorf("hint for %v: %q, want something with %q", err, got, want)
		}
	}
}

// A server without rosters is none the worse for it; one that answers nonsense is.
func TestRosterAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string
		ok     bool
	}{
		"none":     {"<iq type='error' id='%'><error type='cancel'><feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", true},
		"no error": {"<iq type='error' id='%'/>", true},
		"odd item": {"<iq type='result' id='%'><query xmlns='jabber:iq:roster'><item jid='@'/><item/></query></iq>", true},
		"closed":   {closeTag, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			done := make(chan struct{})
			s, err := p.dialRaw(t, func(r *raw) {
				defer close(done)
				r.secured(p.server.Identity)
				r.send(serverHeader, features(externalOffer))
				r.until(externalAuth)
				r.send(saslSuccess)
				r.until("streams'>")
				r.send(serverHeader, features(bindOffer))
				r.answer(r.until("</iq>"), "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>ied1@site.example/IEC</jid></bind>")
				r.send(strings.Replace(tt.answer, "%", idOf(r.until("</iq>")), 1))
				r.rest()
			})
			var ne *NegotiationError
			if (err == nil) != tt.ok || err != nil && (!errors.As(err, &ne) || ne.Step != StepRoster) {
				t.Errorf("Dial: %v", err)
			}
			if err == nil {
				if len(s.Roster()) != 0 {
					t.Errorf("roster %v", s.Roster())
				}
				s.Close()
			}
			<-done
		})
	}
}
