package xmpp82

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"busbar.example/mms"
	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// Unprotected switches end-to-end security off: PDUs travel readable and unsigned, and every server on the
// way may read and alter them. A peer that has it on is refused, as it refuses this end: neither falls back.
//
// IEC 61850-8-2, association without end-to-end security.
type Unprotected struct {
	// Subject gives the roles of a peer that only its JID's servers vouch for; nil gives none. Of what it
	// returns Grants alone counts.
	Subject func(peer jid.JID) rbac.Subject
}

// confirmTime is how long a peer that has asked for an association without end-to-end security may take to
// use it.
const confirmTime = 60 * time.Second

// unprotected is an association without end-to-end security, from its first PDU on: what others protect, it
// hands through.
type unprotected struct {
	*Unprotected
	endpoint *Endpoint
	peer     jid.JID
	first    []byte // the peer's request, where it asked

	mu        sync.Mutex
	id        string    // both halves
	deadline  time.Time // for the peer to go on; zero once it has
	confirmed bool
	ended     bool
}

var (
	_ asking   = (*unprotected)(nil)
	_ asked    = (*unprotected)(nil)
	_ security = (*unprotected)(nil)
)

func (u *unprotected) Request(_ time.Time, _ string, pdu []byte) ([]byte, error) { return pdu, nil }

func (u *unprotected) Answer(_ time.Time, _, id string, content []byte) (security, []byte, error) {
	u.id = id
	return u, content, nil
}

func (u *unprotected) ApplData() []byte { return u.first }

func (u *unprotected) Accept(now time.Time, id string, pdu []byte) ([]byte, security, error) {
	u.id, u.deadline = id, now.Add(confirmTime)
	return pdu, u, nil
}

func (u *unprotected) Reject(_ time.Time, _ string, pdu []byte) ([]byte, error) { return pdu, nil }

// Peer is who the servers say the peer is.
func (u *unprotected) Peer() rbac.Subject {
	s := rbac.Subject{Name: u.peer.Bare().String(), Address: u.peer.String(), Unauthenticated: true}
	if u.Subject != nil {
		s.Grants = slices.Clone(u.Subject(u.peer).Grants)
	}
	return s
}

func (u *unprotected) Seal(dst []byte, now time.Time, pdu []byte) ([]byte, error) {
	if u.Expire(now) {
		return dst, net.ErrClosed
	}
	return append(dst, pdu...), nil
}

func (u *unprotected) Open(now time.Time, _, _ string, content []byte) (e2e.Received, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.expire(now) {
		return e2e.Received{}, net.ErrClosed
	}
	if !u.confirmed {
		u.confirmed, u.deadline = true, time.Time{}
		u.record(audit.E2EEstablished, now, "without end-to-end security")
	}
	return e2e.Received{Kind: e2e.KindData, ApplData: content}, nil
}

// Abort gives a rejectPDU without an invokeID: ISO 9506-2 leaves the abort to the layer below, where 8-2
// has nothing unless IEC 62351-4 brings it.
func (u *unprotected) Abort(now time.Time, _ []byte) ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.expire(now) {
		return nil, net.ErrClosed
	}
	u.close(now, "aborted here")
	return mms.AppendXER(nil, &mms.Reject{RejectReason: mms.PDUErrorInvalidPDU})
}

func (u *unprotected) Close(now time.Time, why string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.close(now, why)
}

func (u *unprotected) close(now time.Time, why string) {
	if u.ended {
		return
	}
	u.ended = true
	if u.confirmed {
		u.record(audit.E2EEnded, now, why)
	}
}

// Next is when an association whose peer has not gone on is over.
func (u *unprotected) Next() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.deadline
}

func (u *unprotected) Expire(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.expire(now)
}

func (u *unprotected) expire(now time.Time) bool {
	if !u.deadline.IsZero() && !now.Before(u.deadline) {
		u.close(now, "the peer did not go on in time")
	}
	return u.ended
}

func (u *unprotected) record(id audit.ID, now time.Time, text string) {
	s := u.Peer()
	u.endpoint.audit.Record(audit.Event{ID: id, Time: now, Peer: s.Address, Subject: s.Name, Roles: s.Grants,
		Text: fmt.Sprintf("association %s: %s", u.id, text)})
}
