package xmpp82

import (
	"testing"
	"time"

	"busbar.example/mms"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// A peer that answers with more than it was asked for does not get more room here.
func TestAnswerDoesNotRaiseWhatIsTaken(t *testing.T) {
	for name, calls := range map[string]int16{"more": 32767, "less than nothing": -32768} {
		t.Run(name, func(t *testing.T) {
			e := &Endpoint{cfg: Config{Now: time.Now, Unprotected: &Unprotected{Subject: func(jid.JID) rbac.Subject { return rbac.Subject{} }}}, maxPDU: 65000}
			a := e.newAssociation(jid.MustParse("pv1@dso.example/IEC"))
			a.initiate = &mms.InitiateRequest{ProposedMaxServOutstandingCalling: 16, ProposedMaxServOutstandingCalled: 16}
			detail := int32(1<<31 - 1)
			a.establish(&unprotected{Unprotected: e.cfg.Unprotected, endpoint: e, peer: a.peer}, &mms.InitiateResponse{
				LocalDetailCalled: &detail, NegotiatedMaxServOutstandingCalling: calls, NegotiatedMaxServOutstandingCalled: calls})
			if a.takes != e.maxPDU || a.limit.Load() != int64(e.maxPDU) {
				t.Errorf("takes PDUs of %d octets and sends such of %d, want %d", a.takes, a.limit.Load(), e.maxPDU)
			}
			if a.ledger.octets > inboxOctets || a.ledger.size < inboxSize || a.ledger.size > inboxSize+32 {
				t.Errorf("the inbox takes %d stanzas and %d octets, want %d to %d and at most %d", a.ledger.size, a.ledger.octets, inboxSize, inboxSize+32, inboxOctets)
			}
		})
	}
}
