package site

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
)

// What is revoked while it runs is cut off: the broker ends the stream, and the IED the association, over XMPP and over TCP.
func TestM7RevokedWhileRunning(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "pv1")
	s.mustIssue(t, "ems", "ENGINEER")
	s.mustIssue(t, "guest", "VIEWER")
	if err := s.IssueMMS(jid.MustParse("pv1@"+domain), []string{"127.0.0.1"}, false); err != nil {
		t.Fatal(err)
	}
	s = setMMS(t, s, "{anonymous: [VIEWER]}")
	var events audit.Memory
	brokerCtx, endBroker := context.WithCancel(context.Background())
	ctx, endIED := context.WithCancel(context.Background())
	var broker, ied sync.WaitGroup
	t.Cleanup(func() { // after the clients', in the order in which a person would end them
		endIED()
		ied.Wait()
		endBroker()
		broker.Wait()
	})
	ready := make(chan string, 2)
	const soon = 20 * time.Millisecond
	broker.Go(func() {
		err := s.RunBroker(brokerCtx, BrokerOptions{Listen: "127.0.0.1:0", Audit: &events, Refresh: soon,
			Ready: func(a net.Addr) { ready <- a.String() }})
		if err != nil {
			t.Errorf("broker: %v", err)
		}
	})
	<-ready
	ied.Go(func() {
		err := s.RunIED(ctx, IEDOptions{Party: Party{JID: jid.MustParse("pv1@" + domain + "/IEC"), Audit: &events},
			SCL: "../demo/scl/pv.cid", MMS: ListenMMS{Address: "127.0.0.1:0", TLS: true}, Refresh: soon,
			Ready: func(r *RunningIED) { ready <- r.MMS.String() }})
		if err != nil {
			t.Errorf("IED: %v", err)
		}
	})
	address := <-ready
	dial := func(name string) *Client {
		t.Helper()
		c, err := s.Dial(ctx, Party{JID: jid.MustParse(name + "@" + domain + "/IEC-1"), Audit: &events}, "pv1")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Endpoint.Close() })
		if _, err := c.GetServerDirectory(ctx); err != nil {
			t.Fatal(err)
		}
		return c
	}
	direct := func(name string) *Client {
		t.Helper()
		party, err := s.MMSParty(jid.MustParse(name+"@"+domain), true)
		if err != nil {
			t.Fatal(err)
		}
		c, err := dialMMS(t, party, "mmss://"+address)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ems, guest, emsTCP, guestTCP := dial("ems"), dial("guest"), direct("ems"), direct("guest")
	if err := s.Revoke(jid.MustParse("ems@" + domain)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Client{ems, emsTCP} {
		select {
		case <-c.Done():
		case <-time.After(time.Minute):
			t.Fatal("the association of the revoked client goes on")
		}
		if err := c.Err(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the revoked client's association ended with %v", err)
		}
	}
	<-ems.Endpoint.Session().Done()
	for _, c := range []*Client{guest, guestTCP} {
		if lds, err := c.GetServerDirectory(ctx); err != nil || len(lds) != 1 {
			t.Errorf("the other client is disturbed: %v %v", lds, err)
		}
	}
	if _, err := s.Dial(ctx, Party{JID: jid.MustParse("ems@" + domain + "/IEC-2")}, "pv1"); err == nil {
		t.Error("the revoked client connects again")
	}
	if party, err := s.MMSParty(jid.MustParse("ems@"+domain), true); err == nil {
		if _, err := dialMMS(t, party, "mmss://"+address); err == nil {
			t.Error("the revoked client connects again over TCP")
		}
	}
	found := make(map[audit.ID]bool)
	for _, e := range events.Events() {
		found[e.ID] = true
	}
	if !found[audit.TLSClosedByRevocation] {
		t.Errorf("no event %s in %v", audit.TLSClosedByRevocation, events.Events())
	}
}

func TestRevokeNeedsACertificateAndTheAuthority(t *testing.T) {
	s := newSite(t)
	wantError(t, s.Revoke(jid.MustParse("x@"+domain)), "x@"+domain, "issued in this folder")
	wantError(t, s.Revoke(jid.MustParse("x@other.example")), "x@other.example", domain)
}
