package e2e

import (
	"errors"
	"fmt"
	"time"

	"busbar.example/secure/audit"
)

// An Initiator makes one handshake as the client.
//
//	fresh ─Request→ requested ─Answer→ done
//
// It is not safe for concurrent use.
type Initiator struct {
	*endpoint
	peer  string // bare JID of the server
	state initiatorState

	half string   // our half of the association id
	key  *keyPair // dropped with the answer
	tbs  []byte   // what HandshakeReq has signed
	sent time.Time
}

type initiatorState uint8

const (
	initiatorFresh initiatorState = iota
	initiatorRequested
	initiatorDone
)

// NewInitiator returns an Initiator for a handshake with the server whose bare JID is peer. Its
// certificate must name that JID.
func NewInitiator(cfg Config, peer string) (*Initiator, error) {
	e, err := newEndpoint(cfg)
	if err != nil {
		return nil, err
	}
	return &Initiator{endpoint: e, peer: peer}, nil
}

func (i *Initiator) becomeRequested(half string, key *keyPair, tbs []byte, now time.Time) {
	i.half, i.key, i.tbs, i.sent = half, key, tbs, now
	i.state = initiatorRequested
}

func (i *Initiator) becomeDone() {
	i.key, i.tbs = nil, nil
	i.state = initiatorDone
}

// Request returns the HandshakeReq that carries applData, one XML element with its own namespace.
// assoID is our half of the association id, 0 to 999 without leading zeros: random, and not used
// towards this peer for 20 minutes.
//
// IEC 62351-4, 13.1.3.
func (i *Initiator) Request(now time.Time, assoID string, applData []byte) ([]byte, error) {
	if i.state != initiatorFresh {
		return nil, errors.New("an initiator makes one request")
	}
	if !isHalf(assoID) {
		return nil, fmt.Errorf("%q is not half an association id", assoID)
	}
	data, err := canonicalApplData(applData)
	if err != nil {
		return nil, err
	}
	key, err := newKeyPair(i.Groups[0])
	if err != nil {
		return nil, err
	}
	octets, tbs, err := i.encodeSigned(&HandshakeReq{
		PP:  i.Protocol,
		TBS: HandshakeTBS{Token1: i.token1(now, assoID, key.public(), i.offer()), ApplData: data},
	})
	if err != nil {
		return nil, err
	}
	i.becomeRequested(assoID, key, tbs, now)
	return octets, nil
}

// Answer reads what the server at the full JID from has answered, in an association context with
// that association id. For a HandshakeAcc it returns the channel and the server's PDU inside.
//
// The error is a *Rejected or a *SecRejected where the server refuses; a *Refusal where we do, whose
// SecPDU, if any, is a HandshakeSecAbort to send in a message.
//
// IEC 62351-4, 13.1.4 to 13.1.7.
func (i *Initiator) Answer(now time.Time, from, assoID string, secPDU []byte) (*Channel, []byte, error) {
	if i.state != initiatorRequested {
		return nil, nil, errAnswered
	}
	if bareJID(from) != i.peer {
		// Only the true peer ends the handshake.
		f := alarm(audit.E2EAddress, "the answer comes from %q instead of %q", from, i.peer)
		i.recordFault(now, from, f)
		return nil, nil, f.refusal(nil)
	}
	defer i.becomeDone()
	r, err := receive(nil, secPDU, maxHandshakeSize)
	if err != nil {
		f := tell(HandshakeProtocolError, audit.E2ECanonical, "the answer is not a SecPDU").because(err)
		return nil, nil, i.abort(now, from, assoID, f)
	}
	switch p := r.pdu.(type) {
	case *HandshakeAcc:
		c, f, err := i.accepted(now, from, assoID, &r, p)
		if err != nil {
			return nil, nil, err
		}
		if f != nil {
			return nil, nil, i.abort(now, from, assoID, f)
		}
		return c, p.TBS.ApplData, nil
	case *ApplicationReject:
		return nil, nil, i.rejected(now, from, assoID, &r, p.TBS.Token3.AssoID, &Rejected{ApplData: p.TBS.ApplData})
	case *HandshakeSecReject:
		refused := &SecRejected{Mode: i.Mode}
		if p.TBS.Diag != nil {
			refused.Diagnostic = *p.TBS.Diag
		}
		return nil, nil, i.rejected(now, from, assoID, &r, p.TBS.Token3.AssoID, refused)
	default:
		f := tell(HandshakeProtocolError, audit.E2ECanonical, "%T is no answer to a handshake", p)
		return nil, nil, i.abort(now, from, assoID, f)
	}
}

// accepted checks a HandshakeAcc, cheap things first, and makes the channel of it.
func (i *Initiator) accepted(now time.Time, from, assoID string, r *received, p *HandshakeAcc) (*Channel, *fault, error) {
	token, t := &p.TBS.Token1, r.signedToken()
	if f := i.checkAssoID(assoID, token.AssoID, true); f != nil {
		return nil, f, nil
	}
	at, f := t.checkForm(now)
	if f != nil {
		return nil, f, nil
	}
	if f := i.checkCommon(token, p.PP); f != nil {
		return nil, f, nil
	}
	if token.DHKey.Group != i.key.group.number() {
		return nil, tell(IllegalDHGroupSelected, audit.E2EDowngrade, "the group %q was not offered", token.DHKey.Group), nil
	}
	alg, f := i.checkChoice(token.EncrMode)
	if f != nil {
		return nil, f, nil
	}
	peer, f := t.verify(i.endpoint, now, from, signedEvents)
	if f != nil {
		return nil, f, nil
	}
	public, f := readPublicKey(i.key.group, token.DHKey.PublicKey)
	if f != nil {
		return nil, f, nil
	}
	s := handshakeSalt(i.tbs, t.tbs)
	keys, err := agree(i.key, public, nil, s, alg)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving the keys: %w", err)
	}
	c, err := newChannel(i.endpoint, clientSide, peer, keys, agreement{
		assoID: assoID, suite: alg, salt: s, public: public, began: now, sent: i.sent, received: at,
	})
	return c, nil, err
}

// rejected checks the token of a rejection and returns said, or what is wrong with it. A false
// rejection is not answered: there is nothing to abort.
func (i *Initiator) rejected(now time.Time, from, outer string, r *received, inner string, said error) error {
	t := r.signedToken()
	f := i.checkAssoID(outer, inner, false)
	if f == nil {
		_, f = t.checkForm(now)
	}
	if f == nil {
		_, f = t.verify(i.endpoint, now, from, signedEvents)
	}
	if f != nil {
		i.recordFault(now, from, f)
		return f.refusal(nil)
	}
	i.record(now, audit.E2ERejected, from, said.Error())
	return said
}

// checkAssoID checks that the association ids of context and token agree, and continue ours.
func (i *Initiator) checkAssoID(outer, inner string, both bool) *fault {
	client, server, ok := splitAssoID(outer)
	if !ok || client != i.half || both && server == "" || inner != outer && (both || inner != "") {
		return alarm(audit.E2EAssociationID, "the association id is %q in the context and %q in the token, ours is %q",
			outer, inner, i.half)
	}
	return nil
}

// abort makes the refusal of an answer.
func (i *Initiator) abort(now time.Time, from, assoID string, f *fault) error {
	i.recordFault(now, from, f)
	if client, _, ok := splitAssoID(assoID); !ok || client != i.half {
		assoID = i.half
	}
	p := &HandshakeSecAbort{TBS: HandshakeDiagTBS{Token3: i.token3(now, assoID), Diag: handshakeDiag(f)}}
	octets, _, err := i.encodeSigned(p)
	if err != nil {
		return err
	}
	return f.refusal(octets)
}

// handshakeDiag returns the diagnostic that the peer is told, if any.
func handshakeDiag(f *fault) *HandshakeDiagnostics {
	if d, ok := f.diag.(HandshakeDiagnostics); ok {
		return &d
	}
	return nil
}
