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

// What is revoked while it runs is cut off: the broker ends the stream, and the IED the association.
func TestM7RevokedWhileRunning(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "pv1")
	s.mustIssue(t, "ems", "ENGINEER")
	s.mustIssue(t, "guest", "VIEWER")
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
			SCL: "../demo/scl/pv.cid", Refresh: soon, Ready: func(*RunningIED) { ready <- "" }})
		if err != nil {
			t.Errorf("IED: %v", err)
		}
	})
	<-ready
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
	ems, guest := dial("ems"), dial("guest")
	if err := s.Revoke(jid.MustParse("ems@" + domain)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ems.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the association of the revoked client goes on")
	}
	if err := ems.Err(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the revoked client's association ended with %v", err)
	}
	<-ems.Endpoint.Session().Done()
	if lds, err := guest.GetServerDirectory(ctx); err != nil || len(lds) != 1 {
		t.Errorf("the other client is disturbed: %v %v", lds, err)
	}
	if _, err := s.Dial(ctx, Party{JID: jid.MustParse("ems@" + domain + "/IEC-2")}, "pv1"); err == nil {
		t.Error("the revoked client connects again")
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
