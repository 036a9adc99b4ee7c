package xmpp82

import (
	"errors"
	"log/slog"
	"testing"

	"busbar.example/mms"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// A full outbox drops: the reader must not wait.
func TestFullOutboxDrops(t *testing.T) {
	e := &Endpoint{outbox: make(chan stanza.Stanza, 1), log: slog.New(slog.DiscardHandler)}
	iq := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, ID: "1", From: jid.MustParse("a@x.example/r")}
	e.reply(iq, stanza.BadRequest)
	e.reply(iq, stanza.ItemNotFound)
	if got, _ := stanza.ParseError((<-e.outbox).Payload); len(e.outbox) != 0 || got.Condition != stanza.BadRequest {
		t.Errorf("the first is %v, and %d more wait", got, len(e.outbox))
	}
}

// What waits for Recv is bounded in octets, but for a single PDU.
func TestInboxIsBoundedInOctets(t *testing.T) {
	l := newLedger()
	long := inbound{env: envelope{content: make([]byte, inboxOctets+1)}}
	if queued, _ := l.put(long); !queued {
		t.Fatal("a single PDU is refused")
	}
	if queued, ended := l.put(inbound{env: envelope{content: []byte("x")}}); queued || ended {
		t.Errorf("one octet more: queued %t, ended %t", queued, ended)
	}
	if _, ok := l.take(); !ok || l.waiting != 0 {
		t.Errorf("%d octets wait in an empty inbox", l.waiting)
	}
	if queued, _ := l.put(long); !queued {
		t.Error("there is room again, and a PDU is refused")
	}
	l.end()
	if queued, ended := l.put(inbound{}); queued || !ended {
		t.Errorf("after the end: queued %t, ended %t", queued, ended)
	}
}

// Calls that the peer rejects, and whose iq it never answers, are not remembered.
func TestRejectedCallsAreForgotten(t *testing.T) {
	l := newLedger()
	for id := range uint32(100) {
		x := &expected{what: &mms.ConfirmedRequest{InvokeID: id}}
		l.call(id, x)
		if l.reject(id); !x.rejected || len(l.calls) != 0 {
			t.Fatalf("call %d: rejected %t, %d remembered", id, x.rejected, len(l.calls))
		}
		l.replied(x) // late, or never
	}
	l.reject(7) // of no call of ours
}

// An iq of ours that nobody answers is given up when its call is rejected, and at the end at the latest.
func TestUnansweredIQsAreGivenUp(t *testing.T) {
	l := newLedger()
	rejected := &expected{what: &mms.ConfirmedRequest{InvokeID: 1}}
	l.call(1, rejected)
	if !l.sent(rejected, "a") || l.reject(1).id != "a" {
		t.Error("the iq of a rejected call stays open")
	}
	early := &expected{what: &mms.ConfirmedRequest{InvokeID: 2}}
	l.call(2, early)
	if l.reject(2).id != "" || l.sent(early, "b") {
		t.Error("an iq whose call was rejected before it was noted stays open")
	}
	answered, open := &expected{}, &expected{}
	l.closed(answered, "c") // before SendIQ has returned
	if !l.sent(answered, "c") || !l.sent(open, "d") {
		t.Error("an iq of an association that goes on is given up")
	}
	l.end()
	if got := l.abandoned(); len(got) != 1 || got[0] != "d" {
		t.Errorf("given up at the end: %q, want d", got)
	}
	if l.sent(open, "e") {
		t.Error("an iq that went out after the end stays open")
	}
}

// What a user reads when a handshake has a stanza error for an answer tells absence from refusal.
func TestHandshakeErrors(t *testing.T) {
	peer := jid.MustParse("pv1@x.example/IEC")
	for condition, absent := range map[stanza.Condition]bool{
		stanza.ServiceUnavailable: true, stanza.RemoteServerNotFound: true, stanza.RecipientUnavailable: true,
		stanza.ResourceConstraint: false, stanza.UndefinedCondition: false, stanza.BadRequest: false,
	} {
		err := handshakeError(peer, stanza.NewError(condition, ""))
		var unreachable *UnreachableError
		if errors.As(err, &unreachable) != absent || !errors.Is(err, &stanza.Error{Condition: condition}) {
			t.Errorf("%s: %v", condition, err)
		}
	}
}
