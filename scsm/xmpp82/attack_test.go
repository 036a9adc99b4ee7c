package xmpp82_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// capture keeps what the broker routes.
type capture struct {
	mu   sync.Mutex
	seen []captured
}

type captured struct {
	from    jid.JID
	start   string
	payload []byte
}

func (c *capture) tap(from jid.JID, start, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, captured{from, string(start), bytes.Clone(payload)})
}

// find gives the last payload of an account that contains a word.
func (c *capture) find(t *testing.T, account, word string) []byte {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.seen) - 1; i >= 0; i-- {
		if s := c.seen[i]; s.from == testbed.JID(account) && bytes.Contains(s.payload, []byte(word)) {
			return s.payload
		}
	}
	t.Fatalf("the broker saw no %s of %s", word, account)
	return nil
}

// raw is a session without any stack above it, for sending what no stack would.
func raw(t *testing.T, bed *testbed.Bed, name string) (*xmpp.Session, chan stanza.Stanza) {
	t.Helper()
	got := make(chan stanza.Stanza, 16)
	cfg := bed.Config(name).XMPP
	cfg.Handler = func(st stanza.Stanza) {
		select {
		case got <- st:
		default:
		}
	}
	s, err := xmpp.Dial(timeout(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, got
}

// refusal sends an iq and says how it is refused: with the condition of a stanza error, or with a SecPDU.
func refusal(t *testing.T, s *xmpp.Session, payload []byte) string {
	t.Helper()
	reply, err := s.Request(timeout(t), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Set, To: testbed.JID("pv1"), Payload: payload})
	var e *stanza.Error
	switch {
	case errors.As(err, &e):
		return string(e.Condition)
	case err == nil && bytes.Contains(reply.Payload, []byte("<HandshakeSecReject ")):
		if bytes.Contains(reply.Payload, []byte("<diag>")) {
			return secReject + " with a reason"
		}
		return secReject
	}
	t.Fatalf("answered with %q, %v; want a refusal", reply.Payload, err)
	return ""
}

const secReject = "HandshakeSecReject"

// The broker's own log and a tee between client and broker hold no name and no value of what is exchanged.
func TestTheWayInBetweenSeesNoPlaintext(t *testing.T) {
	var broker capture
	bed := testbed.Start(t, testbed.Options{Tap: broker.tap})
	bed.IED("pv1", pv(t))
	cfg := bed.Config("ems", rbac.Engineer)
	tee := newTee(t, bed.Address())
	cfg.XMPP.Address = tee.address()
	c := bed.AssociateOn(bed.Dial(cfg), "pv1")
	secret := acsi.MustRef("PV1LD0/LLN0.NamPlt.vendor[DC]")
	errs, err := c.SetDataValues(timeout(t), []acsi.Assignment{{Ref: secret, Value: value.Visible("TopSecretVendor")}})
	if err != nil || errs[0] != nil {
		t.Fatalf("write: %v %v", errs, err)
	}
	if got := read(t, c, secret); got.Text() != "TopSecretVendor" {
		t.Fatalf("read back %v", got)
	}
	if err := c.Release(timeout(t)); err != nil {
		t.Fatal(err)
	}

	broker.mu.Lock()
	var routed []byte
	for _, s := range broker.seen {
		routed = append(append(routed, s.start...), s.payload...)
	}
	broker.mu.Unlock()
	if !bytes.Contains(routed, []byte("EncrTransfer")) {
		t.Fatal("the broker's log holds no EncrTransfer: it logs something else")
	}
	wire := tee.octets()
	if !bytes.Contains(wire, []byte("starttls")) {
		t.Fatal("the tee holds no starttls: it taps something else")
	}
	for _, word := range []string{"TopSecretVendor", "NamPlt", "vendor", "domainId", "confirmed-RequestPDU"} {
		if bytes.Contains(routed, []byte(word)) {
			t.Errorf("the broker reads %q", word)
		}
	}
	for _, word := range []string{"TopSecretVendor", "NamPlt", "EncrTransfer", "association", "EXTERNAL", "ems@"} {
		if bytes.Contains(wire, []byte(word)) {
			t.Errorf("the wire shows %q", word)
		}
	}
}

// E1: what was recorded is sent again, by the same account and by another.
func TestE1Replay(t *testing.T) {
	var broker capture
	bed := testbed.Start(t, testbed.Options{Tap: broker.tap})
	bed.IED("pv1", pv(t))
	e := bed.Dial(bed.Config("ems", rbac.Engineer))
	c := bed.AssociateOn(e, "pv1")
	if errs, err := c.SetDataValues(timeout(t), []acsi.Assignment{{Ref: setting, Value: value.Float(70)}}); err != nil || errs[0] != nil {
		t.Fatal(errs, err)
	}
	handshake := broker.find(t, "ems", "HandshakeReq")
	write := broker.find(t, "ems", "EncrTransfer")

	t.Run("data, in the association that it was made for", func(t *testing.T) {
		if err := e.Session().Send(timeout(t), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Set, ID: "again", To: testbed.JID("pv1"), Payload: write}); err != nil {
			t.Fatal(err)
		}
		<-c.Done()
		if !recorded(bed, audit.E2EEncrReplay, "ems@"+testbed.Domain) && !recorded(bed, audit.E2ESequence, "ems@"+testbed.Domain) {
			t.Errorf("no alarm in %v", bed.Audit.Events())
		}
	})
	t.Run("data, after the association", func(t *testing.T) {
		e.Close()
		s, _ := raw(t, bed, "ems")
		if got := refusal(t, s, write); got != string(stanza.ItemNotFound) {
			t.Errorf("answered with %s, want item-not-found", got)
		}
	})
	t.Run("handshake, by the same account", func(t *testing.T) {
		s, _ := raw(t, bed, "ems")
		if got := refusal(t, s, handshake); got != secReject {
			t.Errorf("answered with %s, want %s without a reason", got, secReject)
		}
		if !recorded(bed, audit.E2EHandshakeReplay, testbed.JID("ems").String()) {
			t.Errorf("no event %s in %v", audit.E2EHandshakeReplay, bed.Audit.Events())
		}
	})
}

// E4: A's handshake is delivered as from B. It is fresh, and genuine but for its sender.
func TestE4HandshakeOfAnother(t *testing.T) {
	bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
		if st.From == testbed.JID("ems") {
			st.From = testbed.JID("mallory")
		}
		return []stanza.Stanza{st}
	})
	bed.IED("pv1", pv(t))
	s, _ := raw(t, bed, "mallory")
	link, err := bed.Dial(bed.Config("ems", rbac.Engineer)).Associate(testbed.JID("pv1"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(timeout(t))
	associated := make(chan error, 1)
	go func() {
		_, err := mmsmap.Associate(ctx, link, assoc.Config{})
		associated <- err
	}()
	for !recorded(bed, audit.E2EHandshakeAddress, testbed.JID("mallory").String()) {
		// A request to the IED by way of the same reader: what was sent before has been dealt with, or soon is.
		if _, err := s.Request(timeout(t), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: testbed.JID("pv1"), Payload: []byte("<x xmlns='urn:x'/>")}); !errors.Is(err, &stanza.Error{Condition: stanza.ServiceUnavailable}) {
			t.Fatalf("no event %s about mallory in %v; %v", audit.E2EHandshakeAddress, bed.Audit.Events(), err)
		}
	}
	cancel()
	if err := <-associated; err == nil {
		t.Error("the association stands")
	}
}

// E5: another account uses the association id of ours.
func TestE5AssociationIDOfAnother(t *testing.T) {
	var broker capture
	bed := testbed.Start(t, testbed.Options{Tap: broker.tap})
	bed.IED("pv1", pv(t))
	c := bed.Associate("ems", "pv1", rbac.Engineer)
	read(t, c, power)
	s, _ := raw(t, bed, "mallory")
	if got := refusal(t, s, broker.find(t, "ems", "EncrTransfer")); got != string(stanza.ItemNotFound) {
		t.Errorf("answered with %s, want item-not-found", got)
	}
	read(t, c, power) // the association has not noticed
}

// What is no association element, or none that makes sense, is refused and recorded.
func TestStanzasThatMakeNoSense(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{})
	bed.IED("pv1", pv(t))
	s, _ := raw(t, bed, "mallory")
	const env = "<association xmlns='http://www.iec.ch/62351/2018/ENV_4' assoID='%s'>%s</association>"
	const pdu = "<HandshakeReq xmlns='http://www.iec.ch/62351/2018/E2E_4'/>"
	for _, tc := range []struct {
		name, payload string
		want          stanza.Condition // or how security refuses
		event         audit.ID
	}{
		{"no association", "<x xmlns='urn:x'/>", stanza.ServiceUnavailable, ""},
		{"empty association", fmt.Sprintf(env, "1", ""), stanza.BadRequest, audit.E2ENamespace},
		{"text in it", fmt.Sprintf(env, "1", "hello"), stanza.BadRequest, audit.E2EStanzaType},
		{"PDU without protection in it", fmt.Sprintf(env, "1", "<initiate-RequestPDU xmlns='http://www.iec.ch/61850/2018/SCSM_8_2'/>"), stanza.NotAcceptable, audit.E2EDowngrade},
		{"PDU of another edition in it", fmt.Sprintf(env, "1", "<initiate-RequestPDU xmlns='http://www.iec.ch/61850/2003/SCSM_8_2'/>"), stanza.BadRequest, audit.E2ENamespace},
		{"id with a leading zero", fmt.Sprintf(env, "01", pdu), stanza.BadRequest, audit.E2EStanzaType},
		{"id of four digits", fmt.Sprintf(env, "1000", pdu), stanza.BadRequest, audit.E2EStanzaType},
		{"id of three halves", fmt.Sprintf(env, "1:2:3", pdu), stanza.BadRequest, audit.E2EStanzaType},
		{"no id", "<association xmlns='http://www.iec.ch/62351/2018/ENV_4'>" + pdu + "</association>", stanza.BadRequest, audit.E2EStanzaType},
		{"an association that is not there", fmt.Sprintf(env, "1:2", pdu), stanza.ItemNotFound, ""},
		{"two PDUs in it", fmt.Sprintf(env, "1", pdu+pdu), secReject + " with a reason", ""},
		{"a handshake that holds nothing", fmt.Sprintf(env, "1", pdu), secReject + " with a reason", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := len(bed.Audit.Events())
			if got := refusal(t, s, []byte(tc.payload)); got != string(tc.want) {
				t.Errorf("answered with %s, want %s", got, tc.want)
			}
			events := bed.Audit.Events()[before:]
			found := tc.event == ""
			for _, e := range events {
				found = found || e.ID == tc.event && e.Peer == testbed.JID("mallory").String()
			}
			if !found {
				t.Errorf("no event %s in %v", tc.event, events)
			}
		})
	}
}

// E7, E13: a server in the middle drops, doubles, reorders, alters or holds back what it routes. Only
// availability suffers: no value is written or read that was not sent, and the loss is noticed.
func TestE13HostileServer(t *testing.T) {
	var mu sync.Mutex
	var route func(stanza.Stanza) []stanza.Stanza
	pass := func(st stanza.Stanza) []stanza.Stanza { return []stanza.Stanza{st} }
	bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
		mu.Lock()
		defer mu.Unlock()
		return route(st)
	})
	set := func(f func(stanza.Stanza) []stanza.Stanza) {
		mu.Lock()
		route = f
		mu.Unlock()
	}
	set(pass)
	engine, _ := bed.IED("pv1", pv(t))
	e := bed.Dial(bed.Config("ems", rbac.Engineer))
	toIED := func(st stanza.Stanza) bool {
		return st.To == testbed.JID("pv1") && bytes.Contains(st.Payload, []byte("EncrTransfer"))
	}
	fromIED := func(st stanza.Stanza) bool {
		return st.From == testbed.JID("pv1") && bytes.Contains(st.Payload, []byte("EncrTransfer"))
	}
	once := func(when func(stanza.Stanza) bool, do func(stanza.Stanza) []stanza.Stanza) func(stanza.Stanza) []stanza.Stanza {
		done := false
		return func(st stanza.Stanza) []stanza.Stanza {
			if done || !when(st) {
				return pass(st)
			}
			done = true
			return do(st)
		}
	}
	base64Text := regexp.MustCompile(`<applData>([A-Za-z0-9+/]{8})`)
	alter := func(st stanza.Stanza) []stanza.Stanza {
		st.Payload = base64Text.ReplaceAllFunc(bytes.Clone(st.Payload), func(m []byte) []byte {
			m = bytes.Clone(m)
			last := &m[len(m)-1]
			if *last == 'A' {
				*last = 'B'
			} else {
				*last = 'A'
			}
			return m
		})
		return pass(st)
	}
	var held []stanza.Stanza
	for _, tc := range []struct {
		name   string
		route  func(stanza.Stanza) []stanza.Stanza
		intact bool // a genuine write comes through: it may be carried out before the association ends
		alarms []audit.ID
	}{
		{"request altered", once(toIED, alter), false, []audit.ID{audit.E2EEncrICV}},
		{"answer altered", once(fromIED, alter), true, []audit.ID{audit.E2EEncrICV}},
		{"request doubled", once(toIED, func(st stanza.Stanza) []stanza.Stanza { return []stanza.Stanza{st, st} }), true, []audit.ID{audit.E2EEncrReplay, audit.E2ESequence}},
		{"request dropped", once(toIED, func(stanza.Stanza) []stanza.Stanza { return nil }), false, []audit.ID{audit.E2ESequence, audit.E2EEncrReplay}},
		{"request reflected", once(toIED, func(st stanza.Stanza) []stanza.Stanza {
			st.Kind, st.Type, st.From, st.To = stanza.Message, stanza.Normal, st.To, st.From
			return pass(st)
		}), false, []audit.ID{audit.E2EReflection, audit.E2EEncrICV, audit.E2EEncrReplay}},
		{"two requests swapped", func(st stanza.Stanza) []stanza.Stanza {
			if !toIED(st) || len(held) > 1 {
				return pass(st)
			}
			if held = append(held, st); len(held) == 1 {
				return nil
			}
			return []stanza.Stanza{held[1], held[0]}
		}, false, []audit.ID{audit.E2ESequence, audit.E2EEncrReplay}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set(pass)
			c := bed.AssociateOn(e, "pv1")
			if errs, err := c.SetDataValues(timeout(t), []acsi.Assignment{{Ref: setting, Value: value.Float(50)}}); err != nil || errs[0] != nil {
				t.Fatal(errs, err)
			}
			before := len(bed.Audit.Events())
			set(tc.route)
			ctx := timeout(t)
			var calls sync.WaitGroup
			for range 3 {
				calls.Go(func() { c.SetDataValues(ctx, []acsi.Assignment{{Ref: setting, Value: value.Float(60)}}) })
			}
			select {
			case <-c.Done():
			case <-ctx.Done():
				t.Error("the association goes on")
			}
			calls.Wait()
			var alarmed bool
			for _, ev := range bed.Audit.Events()[before:] {
				for _, id := range tc.alarms {
					alarmed = alarmed || ev.ID == id && ev.Severity() == audit.Alarm
				}
			}
			if !alarmed {
				t.Errorf("none of %v in %v", tc.alarms, bed.Audit.Events()[before:])
			}
			got, err := engine.Value(setting)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(value.Float(50)) && !(tc.intact && got.Equal(value.Float(60))) {
				t.Errorf("the IED holds %v", got)
			}
		})
	}
}

// E13: answers to two calls are exchanged. Each is genuine; the iq that it comes in is not its own.
func TestE13AnswersExchanged(t *testing.T) {
	var mu sync.Mutex
	var held *stanza.Stanza
	armed := false
	bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
		mu.Lock()
		defer mu.Unlock()
		if !armed || st.From != testbed.JID("pv1") || st.Type != stanza.Result {
			return []stanza.Stanza{st}
		}
		if held == nil {
			held = &st
			return nil
		}
		first, second := *held, st
		first.ID, second.ID = second.ID, first.ID // in the order of sealing, under each other's id
		armed = false
		return []stanza.Stanza{first, second}
	})
	bed.IED("pv1", pv(t))
	c := bed.Associate("ems", "pv1", rbac.Engineer)
	read(t, c, power)
	mu.Lock()
	armed = true
	mu.Unlock()
	var calls sync.WaitGroup
	for _, ref := range []acsi.Ref{power, setting} {
		calls.Go(func() {
			if got, err := c.GetDataValues(timeout(t), []acsi.Ref{ref}); err == nil {
				t.Errorf("read of %v gives %v", ref, got)
			}
		})
	}
	calls.Wait()
	<-c.Done()
	if !recorded(bed, audit.ReplySpoofed, testbed.JID("pv1").String()) {
		t.Errorf("no event %s in %v", audit.ReplySpoofed, bed.Audit.Events())
	}
}

// E12: a server on the way writes the XML in its own manner: the meaning is the same, so it verifies.
func TestE12ReserialisedOnTheWay(t *testing.T) {
	respell := func(payload []byte) []byte {
		s := string(payload)
		s = strings.ReplaceAll(s, "'", `"`)
		s = strings.ReplaceAll(s, "<tbp>", "<tbp>\n  ")
		s = regexp.MustCompile(`<(\w+)( xmlns="http://www.iec.ch/62351/2018/E2E_4")`).ReplaceAllString(s, `<$1 xmlns:unused="urn:x"$2`)
		return []byte(s)
	}
	bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
		st.Payload, st.Lang = respell(st.Payload), "en"
		return []stanza.Stanza{st}
	})
	bed.IED("pv1", pv(t))
	c := bed.Associate("ems", "pv1", rbac.Engineer)
	read(t, c, power)
	if err := c.Release(timeout(t)); err != nil {
		t.Errorf("release: %v", err)
	}
}

// Whoever asks for an association and then says nothing has it taken away after 60 s.
func TestHalfOpenAssociationsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bed := testbed.Start(t, testbed.Options{Listener: testbed.NewListener()})
		ended := make(chan error, 1)
		bed.NewIED("pv1", testbed.IEDConfig{Model: pv(t), Ended: func(err error) { ended <- err }})
		c := bed.Associate("ems", "pv1", rbac.Viewer)
		select {
		case err := <-ended:
			t.Fatalf("ended at once: %v", err)
		case <-time.After(55 * time.Second):
		}
		select {
		case err := <-ended:
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("goes on after 65 s")
		}
		c.Abort()
	})
}

// D1: bad handshakes of one account do not keep another from associating.
func TestD1FloodOfHandshakes(t *testing.T) {
	var broker capture
	bed := testbed.Start(t, testbed.Options{Tap: broker.tap})
	bed.IED("pv1", pv(t))
	bed.Associate("ems", "pv1", rbac.Viewer)
	bad := bytes.Replace(broker.find(t, "ems", "HandshakeReq"), []byte("<sign><algo>"), []byte("<sign> <algo>"), 1)
	s, _ := raw(t, bed, "mallory")
	ctx, cancel := context.WithCancel(context.Background())
	var flood sync.WaitGroup
	for range 32 { // each as fast as it is answered
		flood.Go(func() {
			for ctx.Err() == nil {
				s.Request(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Set, To: testbed.JID("pv1"), Payload: bad})
			}
		})
	}
	for range 5 {
		c := bed.Associate("ems", "pv1", rbac.Viewer)
		read(t, c, power)
		c.Release(timeout(t))
	}
	cancel()
	flood.Wait()
	if !recorded(bed, audit.E2EHandshakeFlood, testbed.JID("mallory").String()) {
		t.Errorf("no event %s about mallory", audit.E2EHandshakeFlood)
	}
}
