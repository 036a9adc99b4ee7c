package e2e

import (
	"crypto/ecdh"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"busbar.example/internal/asn1/xer"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

// A Channel is one association: it seals what we send and opens what the peer sends.
//
//	half-open ─first data verifies→ open ─ReleaseRequest→ releasing ─ReleaseRsp→ ended
//	                                 └──ReleaseReq→ released ─ReleaseResponse→ ended
//
// Only the server's begins half-open. Whatever fails a check, an abort of either side, the end of
// its time, and Close end it from any state; then its keys are gone. It is safe for concurrent use;
// what Seal returns must be sent in the order of the calls.
type Channel struct {
	*endpoint
	peer   verifiedPeer
	side   side
	assoID string
	aead   aead
	began  time.Time
	ends   time.Time

	mu        sync.Mutex
	state     channelState
	deadline  time.Time // of half-open and releasing
	confirmed bool
	slot      *slot // server only

	send, recv   *trafficKey
	sent, opened clock
	rekey        rekeying

	// What Seal and Open use again and again.
	out       EncrTransfer
	nonce     [nonceSize]byte
	aad, box  []byte
	canonical []byte
}

type side uint8

const (
	clientSide side = iota
	serverSide
)

type channelState uint8

const (
	channelHalfOpen channelState = iota
	channelOpen
	channelReleasing
	channelReleased
	channelEnded
)

// An agreement is what a handshake has settled.
type agreement struct {
	assoID   string
	aead     aead
	salt     salt
	private  *ecdh.PrivateKey // server: for all re-keys
	public   *ecdh.PublicKey  // the peer's
	slot     *slot
	began    time.Time
	sent     time.Time // the time of our token1
	received time.Time // the time of the peer's
}

// newChannel makes the channel of a handshake and clears keys.
func newChannel(e *endpoint, s side, peer verifiedPeer, keys *schedule, a agreement) (*Channel, error) {
	defer keys.clear()
	send, recv, err := keys.trafficKeys(a.aead, s)
	if err != nil {
		return nil, err
	}
	c := &Channel{
		endpoint: e, peer: peer, side: s, assoID: a.assoID, aead: a.aead, slot: a.slot,
		began: a.began, ends: earliest(a.began.Add(maxAssociation), peer.proof.Leaf().NotAfter, e.Identity.Chain[0].NotAfter),
		send: send, recv: recv,
		sent:   clock{last: a.sent.Truncate(time.Millisecond)},
		opened: clock{last: a.received},
		rekey:  newRekeying(s, keys, a),
	}
	if s == clientSide {
		c.becomeOpen()
	} else {
		c.deadline = a.began.Add(halfOpenLife)
	}
	return c, nil
}

func earliest(times ...time.Time) time.Time {
	first := times[0]
	for _, t := range times[1:] {
		if t.Before(first) {
			first = t
		}
	}
	return first
}

func (c *Channel) becomeOpen() {
	c.state, c.deadline = channelOpen, time.Time{}
}

func (c *Channel) becomeReleasing(now time.Time) {
	c.state, c.deadline = channelReleasing, now.Add(releaseLife)
}

func (c *Channel) becomeReleased(now time.Time) {
	c.state, c.deadline = channelReleased, now.Add(releaseLife)
}

// becomeEnded drops the keys.
func (c *Channel) becomeEnded(now time.Time, why string) {
	if c.state == channelEnded {
		return
	}
	c.state, c.deadline = channelEnded, time.Time{}
	c.slot.end(now)
	c.send, c.recv = nil, nil
	c.rekey.clear()
	if c.confirmed {
		c.recordPeer(now, audit.E2EEnded, c.peer, "association "+c.assoID+": "+why)
	}
}

// confirm notes that a PDU of the peer has verified under the keys of this association, which proves
// that its handshake was no replay.
func (c *Channel) confirm(now time.Time) {
	if c.confirmed {
		return
	}
	c.confirmed = true
	c.slot.confirm()
	if c.state == channelHalfOpen {
		c.becomeOpen()
	}
	c.recordPeer(now, audit.E2EEstablished, c.peer, "association "+c.assoID+", "+c.aead.name)
}

// check ends the association when its time is over, and returns an error when it has ended.
func (c *Channel) check(now time.Time) error {
	switch {
	case c.state == channelEnded:
		return errEnded
	case !now.Before(c.ends):
		c.becomeEnded(now, "its time is over")
		return errExpired
	case !c.deadline.IsZero() && !now.Before(c.deadline):
		c.becomeEnded(now, "the peer did not go on in time")
		return errEnded
	}
	return nil
}

// yes is what the flags of token2 point to.
var yes = true

// Seal appends to dst the EncrTransfer that carries applData, a PDU of the protected protocol of at
// most half a mebioctet. When it is time, the PDU asks for new keys or changes them on the way.
//
// The error unwraps to net.ErrClosed when the association has ended.
//
// IEC 62351-4, 13.2.3.
func (c *Channel) Seal(dst []byte, now time.Time, applData []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(now); err != nil {
		return dst, err
	}
	switch {
	case c.state == channelHalfOpen:
		return dst, errors.New("the client has not confirmed the association yet")
	case c.state != channelOpen:
		return dst, errEnded
	case len(applData) > maxTransferSize/2:
		return dst, fmt.Errorf("a PDU of %d octets is more than a transfer carries", len(applData))
	case c.send.exhausted():
		c.becomeEnded(now, "its key is used up")
		return dst, errExpired
	}
	change, err := c.rekey.before(now, &c.out.TBP.Token2, c.KeyLife)
	if err != nil {
		return dst, err
	}
	dst, err = c.seal(dst, now, applData)
	if err == nil {
		err = c.rekey.after(c, change, now)
	}
	if err != nil {
		// A nonce may be spent that the peer will never see.
		c.becomeEnded(now, "sealing failed")
		return dst, fmt.Errorf("sealing a PDU: %w", err)
	}
	return dst, nil
}

// seal makes an EncrTransfer of the token that rekey has begun.
func (c *Channel) seal(dst []byte, now time.Time, applData []byte) (_ []byte, err error) {
	at, seq := c.sent.next(now)
	c.nonce = c.send.nonce()
	c.send.counter++

	t := &c.out.TBP.Token2
	t.AssoID, t.Time, t.Seq, t.IV = c.assoID, timestamp(at), seq, c.nonce[:]
	if c.aad, err = xer.AppendContent(c.aad[:0], token2Type, t); err != nil {
		return dst, err
	}
	c.box = c.send.gcm.Seal(c.box[:0], c.nonce[:], applData, c.aad)
	c.out.TBP.ApplData = c.box
	return xer.Append(dst, secPDUType, Namespace, &c.out)
}

// Peer returns who the peer is, with the roles of its certificate.
func (c *Channel) Peer() rbac.Subject { return c.peer.subject() }

// Next returns when the channel will end by itself unless something happens: Expire then ends it.
// It is zero after the end.
func (c *Channel) Next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == channelEnded:
		return time.Time{}
	case c.deadline.IsZero():
		return c.ends
	}
	return earliest(c.deadline, c.ends)
}

// Expire ends the channel if its time has come, and reports whether it has ended.
func (c *Channel) Expire(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.check(now) != nil
}

// Close ends the association without a word to the peer: its link is lost, or an abort is due that
// the carrier cannot send.
func (c *Channel) Close(now time.Time, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.becomeEnded(now, why)
}

// Recheck verifies the peer's certificate again and ends the association if it has been revoked or
// has expired. The error is a *pki.VerifyError, which was recorded.
//
// IEC 62351-3; IEC 62351-4, 13.3.1.4.
func (c *Channel) Recheck(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == channelEnded {
		return errEnded
	}
	err := c.Trust.Recheck(c.peer.proof, now)
	if err != nil {
		c.recordFault(now, c.peer.address, alarm(audit.CredentialWithdrawn, "the peer's certificate").because(err))
		c.becomeEnded(now, "the peer's certificate is no longer good")
	}
	return err
}

// Info describes an association.
type Info struct {
	AssoID    string // client:server
	Signature string // algorithm of the handshake
	Group     string // of the key agreement
	AEAD      string // with the length of its tag
	Local     *x509.Certificate
	Peer      *x509.Certificate
	Began     time.Time
	Rekeys    int // how often the keys were changed
}

// Info describes the association.
func (c *Channel) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Info{
		AssoID: c.assoID, Signature: "ecdsa-with-SHA256", Group: "secp256r1 (" + groupP256 + ")",
		AEAD:  fmt.Sprintf("%s, tag of %d octets", c.aead.name, c.aead.icvSize),
		Local: c.Identity.Chain[0], Peer: c.peer.proof.Leaf(), Began: c.began, Rekeys: c.rekey.changes,
	}
}
