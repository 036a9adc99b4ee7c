package e2e

import (
	"fmt"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

// A Responder answers handshakes as the server. It holds the budgets of the peers. One serves all of
// an identity; it is safe for concurrent use.
type Responder struct {
	*endpoint
	admission admission
}

// NewResponder returns a Responder.
func NewResponder(cfg Config) (*Responder, error) {
	e, err := newEndpoint(cfg)
	if err != nil {
		return nil, err
	}
	return &Responder{endpoint: e, admission: admission{refusing: refusingFor(e.Identity.Key.Public())}}, nil
}

// Open reads a HandshakeReq that came from the full JID from, as its router has stamped it, in an
// association context with that association id. The error is a *Refusal, whose SecPDU, if any, is a
// HandshakeSecReject to answer with.
//
// A peer that is over its budget, eight failures and two more each second, or that has four
// half-open associations, is refused before its PDU is looked at. Where signing takes long, not every
// refusal gets a HandshakeSecReject.
//
// IEC 62351-4, 13.1.3 and 14.3.
func (r *Responder) Open(now time.Time, from, assoID string, secPDU []byte) (*Offer, error) {
	verdict, report := r.admission.try(now, bareJID(from))
	if verdict != admitted {
		f := verdict.fault()
		if report {
			r.recordFault(now, from, f)
		}
		return nil, f.refusal(nil)
	}
	o, f := r.open(now, from, assoID, secPDU)
	if f == nil {
		return o, nil
	}
	r.recordFault(now, from, f)
	if !r.admission.signs(now) {
		return nil, f.refusal(nil)
	}
	if !isHalf(assoID) {
		assoID = ""
	}
	p := &HandshakeSecReject{TBS: HandshakeDiagTBS{Token3: r.token3(now, assoID), Diag: handshakeDiag(f)}}
	octets, _, err := r.encodeSigned(p)
	if err != nil {
		return nil, err
	}
	return nil, f.refusal(octets)
}

func (v admissionVerdict) fault() *fault {
	switch v {
	case tooManyHalfOpen:
		return alarm(audit.E2EHandshakeFlood, "the peer has %d half-open associations", maxHalfOpen)
	case idInUse:
		return alarm(audit.E2EAssociationID, "the peer has used its half of the association id of late")
	default:
		return alarm(audit.E2EHandshakeFlood, "the peer is over its budget of handshakes")
	}
}

// open checks a HandshakeReq, cheap things first.
func (r *Responder) open(now time.Time, from, assoID string, secPDU []byte) (*Offer, *fault) {
	rec, err := receive(nil, secPDU, maxHandshakeSize)
	if err != nil {
		return nil, tell(HandshakeProtocolError, audit.E2ECanonical, "the request is not a SecPDU").because(err)
	}
	req, ok := rec.pdu.(*HandshakeReq)
	if !ok {
		return nil, tell(HandshakeProtocolError, audit.E2ECanonical, "%T does not begin a handshake", rec.pdu)
	}
	token, t := &req.TBS.Token1, rec.signedToken()
	if !isHalf(assoID) || token.AssoID != assoID {
		return nil, alarm(audit.E2EAssociationID, "the association id is %q in the context and %q in the token", assoID, token.AssoID)
	}
	at, f := t.checkForm(now)
	if f != nil {
		return nil, f
	}
	if f := r.checkCommon(token, req.PP); f != nil {
		return nil, f
	}
	group, ok := r.groupOf(&token.DHKey)
	if !ok {
		return nil, tell(DHGroupNotSupported, audit.E2EDowngrade, "the group %q is not supported", token.DHKey.Group)
	}
	alg, choice, f := r.checkOffer(token.EncrMode)
	if f != nil {
		return nil, f
	}
	peer, f := t.verify(r.endpoint, now, from, requestEvents)
	if f != nil {
		return nil, f
	}
	public, f := readPublicKey(group, token.DHKey.PublicKey)
	if f != nil {
		return nil, f
	}
	slot, verdict := r.admission.register(now, bareJID(from), from+" "+assoID)
	if verdict != admitted {
		return nil, verdict.fault()
	}
	return &Offer{endpoint: r.endpoint, peer: peer, slot: slot, half: assoID, tbs: t.tbs, requested: at,
		applData: req.TBS.ApplData, alg: alg, choice: choice, public: public}, nil
}

// An Offer is a HandshakeReq that passed every check. Its owner answers it once, with Accept or
// Reject, within a minute. It is not safe for concurrent use.
type Offer struct {
	*endpoint
	peer      verifiedPeer
	slot      *slot
	half      string
	tbs       []byte
	requested time.Time
	applData  []byte
	alg       suite
	choice    EncrMode
	public    *publicKey
	answered  bool
}

// ApplData returns the PDU of the protected protocol that came in the request.
func (o *Offer) ApplData() []byte { return o.applData }

// Peer returns who asks. That it asks now, and does not merely seem to, is known when the channel
// is confirmed.
func (o *Offer) Peer() rbac.Subject { return o.peer.subject() }

// Accept returns the HandshakeAcc that carries applData, one XML element with its own namespace, and
// the channel. assoID is the whole association id: the peer's half, a colon and ours, which is
// random and not used towards this peer for 20 minutes.
//
// IEC 62351-4, 13.1.4.
func (o *Offer) Accept(now time.Time, assoID string, applData []byte) ([]byte, *Channel, error) {
	if _, server, ok := splitAssoID(assoID); ok && server == "" {
		return nil, nil, fmt.Errorf("the association id %q lacks our half", assoID)
	}
	data, err := o.answer(now, assoID, applData)
	if err != nil {
		return nil, nil, err
	}
	private, err := newKeyPair(o.public.group)
	if err != nil {
		return nil, nil, err
	}
	octets, tbs, err := o.encodeSigned(&HandshakeAcc{
		PP:  o.Protocol,
		TBS: HandshakeTBS{Token1: o.token1(now, assoID, private.public(), o.choice), ApplData: data},
	})
	if err != nil {
		return nil, nil, err
	}
	s := handshakeSalt(o.tbs, tbs)
	keys, err := agree(private, o.public, nil, s, o.alg)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving the keys: %w", err)
	}
	c, err := newChannel(o.endpoint, serverSide, o.peer, keys, agreement{
		assoID: assoID, suite: o.alg, salt: s, private: private, public: o.public, slot: o.slot,
		began: now, sent: now, received: o.requested,
	})
	return octets, c, err
}

// Reject returns the ApplicationReject that carries applData, the refusing PDU of the protected
// protocol. assoID may be whole or the peer's half.
//
// IEC 62351-4, 13.1.5.
func (o *Offer) Reject(now time.Time, assoID string, applData []byte) ([]byte, error) {
	data, err := o.answer(now, assoID, applData)
	if err != nil {
		return nil, err
	}
	o.slot.end(now)
	octets, _, err := o.encodeSigned(&ApplicationReject{
		TBS: ApplicationRejectTBS{Token3: o.token3(now, assoID), ApplData: data},
	})
	return octets, err
}

// answer checks what an answer is made of, and that it is the first.
func (o *Offer) answer(now time.Time, assoID string, applData []byte) ([]byte, error) {
	if o.answered || !o.slot.halfOpen(now) {
		return nil, errAnswered
	}
	client, _, ok := splitAssoID(assoID)
	if !ok || client != o.half {
		return nil, fmt.Errorf("the association id %q does not continue the peer's %q", assoID, o.half)
	}
	data, err := canonicalApplData(applData)
	if err != nil {
		return nil, err
	}
	o.answered = true
	return data, nil
}
