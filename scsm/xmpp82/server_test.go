package xmpp82_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

func passOn(st stanza.Stanza) []stanza.Stanza { return []stanza.Stanza{st} }

// What a session is sent before Dial is through does not hold Dial up: nobody must be able to keep an IED off line.
func TestStanzasThatComeDuringDial(t *testing.T) {
	mallory := testbed.JID("mallory")
	answered := make(chan stanza.Stanza, 8)
	bed, middle := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
		if st.To == mallory {
			answered <- st
		}
		return nil
	})
	middle.Greet = func(to jid.JID) []stanza.Stanza {
		handshake := envelope("1", []byte("<HandshakeReq xmlns='http://www.iec.ch/62351/2018/E2E_4'/>"))
		return []stanza.Stanza{
			{Kind: stanza.Presence, From: mallory, To: to},
			{Kind: stanza.Message, From: mallory, To: to, Payload: handshake},
			{Kind: stanza.IQ, Type: stanza.Set, ID: "1", From: mallory, To: to, Payload: handshake},
		}
	}
	cfg := bed.Config("pv1")
	cfg.Serve = true
	dialed := make(chan error, 1)
	go func() {
		e, err := xmpp82.Dial(timeout(t), cfg)
		if err == nil {
			t.Cleanup(func() { e.Close() })
		}
		dialed <- err
	}()
	select {
	case err := <-dialed:
		if err != nil {
			t.Fatal(err)
		}
	case <-timeout(t).Done():
		t.Fatal("Dial hangs")
	}
	select {
	case st := <-answered:
		if e, _ := stanza.ParseError(st.Payload); st.ID != "1" || e.Condition != stanza.ServiceUnavailable {
			t.Errorf("the iq is answered with %v %q", st.ID, st.Payload)
		}
	case <-timeout(t).Done():
		t.Error("the iq is not answered")
	}
}

// The server's end learns that the client's security has refused its answer. IEC 62351-4, HandshakeSecAbort.
func TestRefusedAnswerReachesTheServer(t *testing.T) {
	bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
		if i := bytes.Index(st.Payload, []byte("<sign>")); i > 0 && bytes.Contains(st.Payload, []byte("<HandshakeAcc ")) {
			st.Payload = append(bytes.Replace(st.Payload[:i:i], []byte("<applProtected/>"), nil, 1), st.Payload[i:]...)
			st.Payload = bytes.Replace(st.Payload, []byte("<localDetailCalled>65000"), []byte("<localDetailCalled>64999"), 1)
		}
		return passOn(st)
	})
	ended := make(chan error, 1)
	bed.NewIED("pv1", testbed.IEDConfig{Model: pv(t), Ended: func(err error) { ended <- err }})
	link, err := bed.Dial(bed.Config("ems", rbac.Viewer)).Associate(testbed.JID("pv1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mmsmap.Associate(timeout(t), link, assoc.Config{}); err == nil {
		t.Fatal("the altered answer is accepted")
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "for reasons of security") {
			t.Errorf("the server's end: %v", err)
		}
	case <-timeout(t).Done():
		t.Error("the server waits for a client that has gone")
	}
}

// E5: what comes under an association id that is not known concerns no association that is being asked for,
// though it has our half of the id.
func TestE5UnknownIDWhileAssociating(t *testing.T) {
	bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
		m := associationContent.FindSubmatch(st.Payload)
		if m == nil || !bytes.Contains(st.Payload, []byte("<HandshakeReq ")) {
			return passOn(st)
		}
		stray := stanza.Stanza{Kind: stanza.Message, Type: stanza.Normal, From: st.To, To: st.From,
			Payload: envelope(string(m[1])+":1", []byte("<EncrTransfer xmlns='http://www.iec.ch/62351/2018/E2E_4'/>"))}
		return []stanza.Stanza{stray, st}
	})
	bed.IED("pv1", pv(t))
	c := bed.Associate("ems", "pv1", rbac.Viewer)
	read(t, c, power)
}

// An answer that arrived before its peer left counts, and what ended the association is said.
func TestAnswerBeforeThePeerLeft(t *testing.T) {
	var leave atomic.Bool
	bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
		if leave.Load() && st.From == testbed.JID("pv1") && st.Type == stanza.Result {
			return []stanza.Stanza{st, {Kind: stanza.Presence, Type: stanza.Unavailable, From: st.From, To: st.To}}
		}
		return passOn(st)
	})
	bed.IED("pv1", pv(t))
	e := bed.Dial(bed.Config("ems", rbac.Engineer))
	for range 10 {
		leave.Store(false)
		c := bed.AssociateOn(e, "pv1")
		leave.Store(true)
		errs, err := c.SetDataValues(timeout(t), []acsi.Assignment{{Ref: setting, Value: value.Float(60)}})
		if err != nil || errs[0] != nil {
			t.Fatalf("the write has its answer: %v %v", errs, err)
		}
		<-c.Done()
		if err := c.Err(); !errors.Is(err, net.ErrClosed) || err.Error() != testbed.JID("pv1").String()+" is no longer available" {
			t.Fatalf("ended with %v", err)
		}
	}
}

// D1: an account has no more handshakes waiting for having many resources. Those that wait when the Endpoint
// ends are answered.
func TestD1HandshakesOfOneAccount(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{})
	e := served(bed) // which accepts nothing
	bad := envelope("1", []byte("<HandshakeReq xmlns='http://www.iec.ch/62351/2018/E2E_4'/>"))
	cfg := bed.Config("mallory").XMPP
	conditions := make(chan stanza.Condition, 8)
	for _, resource := range []string{"a", "b"} {
		full, err := cfg.JID.WithResource(resource)
		if err != nil {
			t.Fatal(err)
		}
		cfg.JID = full
		s, err := xmpp.Dial(timeout(t), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		for range 3 {
			_, err := s.SendIQ(timeout(t), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Set, To: testbed.JID("pv1"), Payload: bad}, func(st stanza.Stanza) {
				e, _ := stanza.ParseError(st.Payload)
				conditions <- e.Condition
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		if got := <-conditions; got != stanza.ResourceConstraint {
			t.Errorf("one too many is answered with %s", got)
		}
	}
	if !recorded(bed, audit.E2EHandshakeFlood, "mallory@"+testbed.Domain) {
		t.Errorf("no event %s", audit.E2EHandshakeFlood)
	}
	e.Close()
	for range 4 {
		if got := <-conditions; got != stanza.ServiceUnavailable {
			t.Errorf("one that waits is answered with %s", got)
		}
	}
}

// A caller whose PDU does not get out can give up, though the server takes nothing from us; and Close does not wait
// for such a caller.
func TestServerThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		var stalled atomic.Bool
		bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
			if stalled.Load() {
				<-blocked
				return nil
			}
			return passOn(st)
		})
		links := make(chan *xmpp82.Association, 1)
		cfg := bed.Config("pv2")
		cfg.Serve = true
		e := bed.Dial(cfg)
		go func() {
			link, err := e.Accept(t.Context())
			if err == nil {
				_, err = link.Recv(t.Context())
			}
			if err == nil {
				err = link.Send(t.Context(), initiateResponse())
			}
			if err != nil {
				t.Error(err)
			}
			links <- link
		}()
		client := bed.Dial(bed.Config("ems", rbac.Viewer))
		link, err := client.Associate(testbed.JID("pv2"))
		if err != nil {
			t.Fatal(err)
		}
		if err := link.Send(t.Context(), initiateRequest()); err != nil {
			t.Fatal(err)
		}
		if _, err := link.Recv(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-links
		stalled.Store(true)
		within := func(send func(context.Context) error) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return send(ctx)
		}
		for _, size := range []int{60000, 200} { // until not even a short one finds room
			filler := stanza.Stanza{Kind: stanza.Message, To: testbed.JID("pv3"), Payload: []byte("<x xmlns='urn:x'>" + strings.Repeat("X", size) + "</x>")}
			for sent := error(nil); sent == nil; {
				sent = within(func(ctx context.Context) error { return client.Session().Send(ctx, filler) })
			}
		}
		if err := within(func(ctx context.Context) error { return link.Send(ctx, readRequest(1)) }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a deadline", err)
		}
		if err := link.Send(t.Context(), readRequest(200)); err == nil {
			t.Error("the association goes on, though a PDU is missing")
		}
		if _, err := link.Recv(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Recv gives %v, want that it is closed", err)
		}
		close(blocked)
	})
}
