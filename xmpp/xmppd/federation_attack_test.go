package xmppd_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

// intrude opens a stream from one domain to another with the key of the first one's server, which somebody has who may say what
// he likes.
func (w *world) intrude(t *testing.T, from, to string) *intruder {
	t.Helper()
	i := &intruder{}
	c, err := xmpp.DialServer(t.Context(), xmpp.PeerConfig{
		Local: from, Remote: to, Identity: w.realms[from].id, Trust: w.realms[to].trust,
		Resolver: &xmpp.Resolver{Static: map[string][]xmpp.Target{to: {{Address: to + ":5269"}}}},
		Dialer: func(context.Context, xmpp.Target) (_ net.Conn, err error) {
			i.nc, err = w.realms[to].peers.dial("192.0.2.66:666")
			return i.nc, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	i.Conn = c
	return i
}

type intruder struct {
	*xmpp.Conn
	nc net.Conn
}

// Close does not wait for the other end.
func (i *intruder) Close() {
	i.nc.Close()
	i.Conn.Close()
}

// notable returns the ids of events but those of every stream.
func notable(m *audit.Memory) []audit.ID {
	var ids []audit.ID
	for _, e := range m.Events() {
		switch e.ID {
		case audit.CRLMissing, audit.TLSEstablished, audit.StreamOpened, audit.DomainLost:
		default:
			ids = append(ids, e.ID)
		}
	}
	return ids
}

func TestM10WithinTheStreamOfAnotherDomain(t *testing.T) {
	refused := []audit.ID{audit.ServerToServerRefused}
	for name, tt := range map[string]struct {
		stanza string
		ends   xmpp.StreamCondition // "": it goes on
		events []audit.ID
	}{
		"sender of a third domain":     {"<message from='ems@third.example/a' to='pv1@dso.example/IEC'/>", xmpp.InvalidFrom, refused},
		"sender of our domain":         {"<message from='ems@dso.example/a' to='pv1@dso.example/IEC'/>", xmpp.InvalidFrom, refused},
		"our server as sender":         {"<iq type='result' id='1' from='dso.example' to='pv1@dso.example/IEC'/>", xmpp.InvalidFrom, refused},
		"sender below the domain":      {"<message from='ems@a.utility.example/a' to='pv1@dso.example/IEC'/>", xmpp.InvalidFrom, refused},
		"no sender":                    {"<message to='pv1@dso.example/IEC'/>", xmpp.ImproperAddressing, refused},
		"empty sender":                 {"<message from='' to='pv1@dso.example/IEC'/>", xmpp.ImproperAddressing, refused},
		"no addressee":                 {"<message from='ems@utility.example/a'/>", xmpp.ImproperAddressing, refused},
		"addressee of a third domain":  {"<message from='ems@utility.example/a' to='pv1@third.example/IEC'/>", xmpp.ImproperAddressing, refused},
		"addressee of its own domain":  {"<message from='ems@utility.example/a' to='b@utility.example/IEC'/>", xmpp.ImproperAddressing, refused},
		"unreadable sender elsewhere":  {"<message from='@third.example' to='pv1@dso.example/IEC'/>", xmpp.InvalidFrom, refused},
		"unreadable sender there":      {"<message from='a b@utility.example' to='pv1@dso.example/IEC'/>", "", nil},
		"unreadable addressee":         {"<message from='ems@utility.example/a' to='@dso.example'/>", "", nil},
		"content of a client's stream": {"<message xmlns='jabber:client' from='ems@utility.example/a' to='pv1@dso.example/IEC'/>", xmpp.InvalidNamespace, nil},
		"verification of a dialback":   {"<db:verify xmlns:db='jabber:server:dialback' from='third.example' to='dso.example' id='1'>key</db:verify>", xmpp.UnsupportedStanzaType, refused},
		"resource binding":             {"<iq type='set' id='b' from='utility.example' to='dso.example'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "", nil},
		"presence of a third domain":   {"<presence type='unavailable' from='ems@third.example/a' to='pv1@dso.example'/>", xmpp.InvalidFrom, refused},
		"comment":                      {"<!-- x -->", xmpp.RestrictedXML, []audit.ID{audit.RestrictedXML}},
		"answer that nobody waits for": {"<iq type='result' id='1' from='ems@utility.example/a' to='pv1@dso.example/IEC'/>", "", []audit.ID{audit.ReplySpoofed}},
		"error that nobody waits for":  {"<iq type='error' id='1' from='ems@utility.example/a' to='pv1@dso.example/IEC'/>", "", []audit.ID{audit.ReplySpoofed}},
		"roster push":                  {"<iq type='set' id='1' from='ems@utility.example' to='pv1@dso.example'><query xmlns='jabber:iq:roster'/></iq>", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil, domain, utility)
			defer w.close()
			arrived := make(chan stanza.Stanza, 10)
			ied := w.realms[domain].login("pv1@dso.example/IEC", func(_ *xmpp.Session, st stanza.Stanza) { arrived <- st })
			defer ied.Close()
			c := w.intrude(t, utility, domain)
			defer c.Close()
			if err := c.Push([]byte(tt.stanza)); err != nil {
				t.Fatal(err)
			}
			const last = "<message from='ems@utility.example/a' to='pv1@dso.example/IEC'><body>last</body></message>"
			if err := c.Push([]byte(last)); err != nil {
				t.Fatal(err)
			}
			if tt.ends != "" {
				if _, err := c.Next(); !errors.Is(err, &xmpp.StreamError{Condition: tt.ends, Remote: true}) {
					t.Errorf("the stream ended with %v, want %s", err, tt.ends)
				}
			} else if st := <-arrived; string(st.Payload) != "<body>last</body>" {
				t.Errorf("arrived: %v %s", st, st.Payload)
			}
			if d := cmp.Diff(tt.events, notable(w.realms[domain].events)); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
			select {
			case st := <-arrived:
				t.Errorf("arrived as well: %v", st)
			default:
			}
		})
	}
}

// A reply in the right domain's name but from another than was asked is thrown away; the true one arrives.
func TestM10SpoofedReply(t *testing.T) {
	w := newWorld(t, nil, domain, utility)
	defer w.close()
	asked := make(chan stanza.Stanza, 1)
	ied := w.realms[domain].login("pv1@dso.example/IEC", nil)
	ems := w.realms[utility].login("ems@utility.example/IEC", func(_ *xmpp.Session, st stanza.Stanza) { asked <- st })
	defer ied.Close()
	defer ems.Close()
	answer := make(chan string, 1)
	go func() {
		got, err := ask(ied, "ems@utility.example/IEC", "<q xmlns='urn:x'/>")
		answer <- fmt.Sprint(got, err)
	}()
	request := <-asked
	c := w.intrude(t, utility, domain)
	defer c.Close()
	for _, from := range []string{"other@utility.example/IEC", "ems@utility.example", "ems@utility.example/other"} {
		forged := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Result, ID: request.ID, From: jid.MustParse(from), To: request.From, Payload: []byte("<forged xmlns='urn:x'/>")}
		if err := c.Push(forged.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	// It has read them when it answers this.
	c.Push([]byte("<iq type='get' id='p' from='utility.example' to='dso.example'><ping xmlns='urn:xmpp:ping'/></iq>"))
	waitFor(t, func() bool { return slices.Contains(notable(w.realms[domain].events), audit.ReplySpoofed) })
	if err := ems.Send(t.Context(), request.Reply([]byte("<true xmlns='urn:x'/>"))); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got != "<true xmlns='urn:x'/><nil>" {
		t.Errorf("the answer is %s", got)
	}
}

// waitFor waits until something has happened.
func waitFor(t *testing.T, happened func() bool) {
	t.Helper()
	for late := time.Now().Add(2 * time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("it has not happened")
		}
	}
}

// What no rule allows does not cross, in either direction, at either broker.
func TestM10NothingCrossesWithoutARule(t *testing.T) {
	for _, closed := range []string{domain, utility} {
		t.Run("closed at "+closed, func(t *testing.T) {
			w := newWorld(t, func(d string, cfg *xmppd.Config) {
				if d == closed {
					cfg.Rules = nil
				}
			}, domain, utility)
			defer w.close()
			heard := newInbox()
			ied := w.realms[domain].login("pv1@dso.example/IEC", func(s *xmpp.Session, st stanza.Stanza) { heard.take(s, st); echoes(s, st) })
			ems := w.realms[utility].login("ems@utility.example/IEC", echoes)
			defer ied.Close()
			defer ems.Close()
			if _, err := ask(ems, "pv1@dso.example/IEC", "<q xmlns='urn:x'/>"); !errors.Is(err, &stanza.Error{Condition: stanza.Forbidden}) {
				t.Errorf("asking: %v, want forbidden", err)
			}
			if err := ems.Send(t.Context(), stanza.Stanza{Kind: stanza.Presence, To: jid.MustParse("pv1@dso.example")}); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(notable(w.realms[closed].events), audit.RuleDenied) {
				t.Errorf("events of %s: %v, want %s", closed, notable(w.realms[closed].events), audit.RuleDenied)
			}
			if len(heard.seen) > 0 {
				t.Errorf("arrived: %v", heard.seen)
			}
		})
	}
}

// Another domain that sends more than anybody reads takes its share of a queue, and no more.
func TestM10Flood(t *testing.T) {
	w := newWorld(t, func(_ string, cfg *xmppd.Config) { cfg.QueueSize = 64 << 10 }, domain, utility)
	defer w.close()
	block, blocked := make(chan struct{}), make(chan struct{}, 1)
	got := make(chan string, 1000)
	ied := w.realms[domain].login("pv1@dso.example/IEC", func(_ *xmpp.Session, st stanza.Stanza) {
		select {
		case blocked <- struct{}{}:
		default:
		}
		<-block
		got <- st.From.Domain()
	})
	defer ied.Close()
	hmi := w.realms[domain].login("hmi@dso.example/IEC", nil)
	defer hmi.Close()
	c := w.intrude(t, utility, domain)
	defer c.Close()
	flood := []byte("<message type='error' from='ems@utility.example/a' to='pv1@dso.example/IEC'><body>" + strings.Repeat("x", 8<<10) + "</body></message>")
	sent := make(chan error, 1)
	go func() {
		for range 200 {
			if err := c.Send(context.Background(), flood); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	<-blocked
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return slices.Contains(notable(w.realms[domain].events), audit.StreamFlood) })
	if err := hmi.Send(t.Context(), stanza.Stanza{Kind: stanza.Message, Type: stanza.Normal, To: ied.JID(), Payload: []byte("<body>hello</body>")}); err != nil {
		t.Fatal(err)
	}
	if err := c.Push([]byte("<message from='ems@utility.example/a' to='hmi@dso.example/IEC'/>")); err != nil {
		t.Fatal(err)
	}
	close(block)
	limit := time.After(2 * time.Minute)
	for from := ""; from != domain; {
		select {
		case from = <-got:
		case <-limit:
			t.Fatal("what our own account has sent did not arrive")
		}
	}
}

// A domain may have so many streams to us and no more: the oldest makes room.
func TestM10ManyStreams(t *testing.T) {
	w := newWorld(t, func(_ string, cfg *xmppd.Config) { cfg.Federation.Streams = 2 }, domain, utility)
	defer w.close()
	first := w.intrude(t, utility, domain)
	defer first.Close()
	for range 2 {
		defer w.intrude(t, utility, domain).Close()
	}
	if _, err := first.Next(); !errors.Is(err, &xmpp.StreamError{Condition: xmpp.Conflict, Remote: true}) {
		t.Errorf("the oldest stream ended with %v, want conflict", err)
	}
}

// Who sends stanzas over the stream that we have opened is no server to talk to.
func TestM10StanzasOverOurStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, domain, utility)
		defer w.close()
		time.Sleep(time.Hour)
		other := w.realms[utility]
		other.stop() // in its place:
		other.peers = newMemNet()
		accepted := make(chan error, 1)
		go func() {
			nc, err := other.peers.Accept()
			if err != nil {
				accepted <- err
				return
			}
			c, err := xmpp.AcceptServer(context.Background(), nc, xmpp.PeerServerConfig{Domain: utility, Identity: other.id, Trust: trustIn(w, domain)})
			if err == nil {
				c.Push([]byte("<message from='ems@utility.example/a' to='pv1@dso.example/IEC'/>"))
				_, err = c.Next()
				for err == nil {
					_, err = c.Next()
				}
				c.Close()
			}
			accepted <- err
		}()
		defer other.peers.Close()
		ied := w.realms[domain].login("pv1@dso.example/IEC", nil)
		defer ied.Close()
		w.realms[domain].t = t
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ied.Request(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: jid.MustParse("ems@utility.example/a"), Payload: []byte("<q xmlns='urn:x'/>")})
		if err := <-accepted; !errors.Is(err, &xmpp.StreamError{Condition: xmpp.NotAuthorized, Remote: true}) {
			t.Errorf("its stream ended with %v, want not-authorized", err)
		}
		if d := cmp.Diff([]audit.ID{audit.ServerToServerRefused}, notable(w.realms[domain].events)); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		other.start(nil) // for close
	})
}
