package xmpp82

import (
	"errors"
	"time"

	"busbar.example/secure/e2e"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// security stands between the PDUs of an association and what the association element holds. It is a
// channel of IEC 62351-4, or *unprotected where end-to-end security is off.
type security interface {
	Seal(dst []byte, now time.Time, pdu []byte) ([]byte, error)
	Open(now time.Time, from, id string, content []byte) (e2e.Received, error)
	Abort(now time.Time, pdu []byte) ([]byte, error) // what tells the peer of the end; an error after the end
	Close(now time.Time, why string)
	Next() time.Time           // when Expire is due; zero for never
	Expire(now time.Time) bool // whether it is over
	Peer() rbac.Subject
}

// asking is one association that this end asks for.
type asking interface {
	Request(now time.Time, half string, pdu []byte) ([]byte, error)
	Answer(now time.Time, from, id string, content []byte) (security, []byte, error) // security is nil where that of the peer refuses, with a PDU
}

// asked is one association that a peer asks for, whose request has been accepted so far.
type asked interface {
	ApplData() []byte // the peer's PDU
	Peer() rbac.Subject
	Accept(now time.Time, id string, pdu []byte) ([]byte, security, error)
	Reject(now time.Time, id string, pdu []byte) ([]byte, error)
}

// protectedAsking is a handshake of IEC 62351-4.
type protectedAsking struct{ *e2e.Initiator }

func (p protectedAsking) Answer(now time.Time, from, id string, content []byte) (security, []byte, error) {
	channel, octets, err := p.Initiator.Answer(now, from, id, content)
	var rejected *e2e.Rejected
	switch {
	case errors.As(err, &rejected):
		return nil, rejected.ApplData, nil
	case err != nil:
		return nil, nil, err
	}
	return channel, octets, nil
}

// protectedAsked is a handshake of IEC 62351-4 of a peer.
type protectedAsked struct{ *e2e.Offer }

func (p protectedAsked) Accept(now time.Time, id string, pdu []byte) ([]byte, security, error) {
	octets, channel, err := p.Offer.Accept(now, id, pdu)
	if err != nil {
		return nil, nil, err
	}
	return octets, channel, nil
}

// ask begins an association with a peer.
func (e *Endpoint) ask(peer jid.JID) (asking, error) {
	if u := e.cfg.Unprotected; u != nil {
		return &unprotected{Unprotected: u, endpoint: e, peer: peer}, nil
	}
	initiator, err := e2e.NewInitiator(e.ends.Load().cfg, peer.Bare().String())
	return protectedAsking{initiator}, err
}

// open reads a peer's request for an association.
func (e *Endpoint) open(o offer) (asked, error) {
	if u := e.cfg.Unprotected; u != nil {
		return &unprotected{Unprotected: u, endpoint: e, peer: o.iq.From, first: o.env.content}, nil
	}
	hs, err := e.ends.Load().responder.Open(e.cfg.Now(), o.iq.From.String(), o.env.id, o.env.content)
	return protectedAsked{hs}, err
}

// protects reports whether this end has end-to-end security.
func (e *Endpoint) protects() bool { return e.cfg.Unprotected == nil }
