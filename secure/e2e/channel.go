package e2e

import (
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
	suite  suite
	icvAlg AlgorithmIdentifier // of authenticators
	group  Group
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
	token     ClearToken2 // of what was sealed last
	token2    []byte      // its octets
	icvAlgXML []byte
	form, box []byte // canonical form or ciphertext of what is sealed
	canonical []byte // of what is opened
	opening   ClearToken2
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
	suite    suite
	salt     salt
	private  *keyPair   // server: for all re-keys
	public   *publicKey // the peer's
	slot     *slot
	began    time.Time
	sent     time.Time // the time of our token1
	received time.Time // the time of the peer's
}

// newChannel makes the channel of a handshake and clears keys.
func newChannel(e *endpoint, s side, peer verifiedPeer, keys *schedule, a agreement) (*Channel, error) {
	defer keys.clear()
	send, recv, err := keys.trafficKeys(s)
	if err != nil {
		return nil, err
	}
	c := &Channel{
		endpoint: e, peer: peer, side: s, assoID: a.assoID, suite: a.suite, group: a.public.group, slot: a.slot,
		began: a.began, ends: earliest(a.began.Add(maxAssociation), peer.proof.Leaf().NotAfter, e.Identity.Chain[0].NotAfter),
		send: send, recv: recv,
		sent:   clock{last: a.sent.Truncate(time.Millisecond)},
		opened: clock{last: a.received},
		rekey:  newRekeying(s, keys, a),
		icvAlg: a.suite.icvAlgorithm(),
	}
	if c.icvAlgXML, err = xer.AppendContent(nil, algorithmType, &c.icvAlg); err != nil {
		return nil, err
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
	text := "association " + c.assoID + ", " + algorithms[c.suite.alg].name
	if c.recv.uncounted {
		text += "; the peer does not number its PDUs: one that is held back may go unnoticed"
	}
	c.recordPeer(now, audit.E2EEstablished, c.peer, text)
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

// Seal appends to dst the data PDU that carries applData, a PDU of the protected protocol of at most
// half a mebioctet: EncrTransfer, or ClearTransfer in the mode Clear, where applData is one XML
// element with its own namespace. When it is time, the PDU asks for new keys or changes them on the
// way.
//
// The error unwraps to net.ErrClosed when the association has ended. What is too large, or has no
// canonical form in the mode Clear, is refused before anything of it is sealed, and the association
// goes on.
//
// IEC 62351-4, 13.2.
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
	if c.Mode == Clear {
		form, err := appendApplData(c.form[:0], applData, maxTransferSize/2)
		if err != nil {
			return dst, err
		}
		c.form, applData = form, form
	}
	change, err := c.rekey.before(now, &c.token, c.KeyLife)
	if err != nil {
		return dst, err
	}
	sealed, err := c.seal(dst, now, applData)
	if err == nil {
		err = c.rekey.after(c, change, now)
	}
	if err != nil {
		// A nonce may be spent that the peer will never see.
		c.becomeEnded(now, "sealing failed")
		return dst, fmt.Errorf("sealing a PDU: %w", err)
	}
	return sealed, nil
}

// seal makes the PDU of data and the token that rekey has begun.
func (c *Channel) seal(dst []byte, now time.Time, data []byte) (_ []byte, err error) {
	at, seq := c.sent.next(now)
	t := &c.token
	t.IV = c.send.iv(t.IV[:0])
	if t.Rekey == nil && t.ReqRekey == nil && t.ChangedKey == nil {
		c.token2 = appendToken2(c.token2[:0], c.assoID, at, seq, t.IV)
	} else {
		t.AssoID, t.Time, t.Seq = c.assoID, timestamp(at), seq
		if c.token2, err = xer.AppendContent(c.token2[:0], token2Type, t); err != nil {
			return dst, err
		}
	}
	dst = c.encodeTransfer(dst, c.send, t.IV, data)
	c.send.counter++
	return dst, nil
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
	err := c.peer.trust.Recheck(c.peer.proof, now)
	if err != nil {
		c.recordFault(now, c.peer.address, alarm(audit.CredentialWithdrawn, "the peer's certificate").because(err))
		c.becomeEnded(now, "the peer's certificate is no longer good")
	}
	return err
}

// Info describes an association.
type Info struct {
	AssoID     string // client:server
	Signature  string // algorithm of the handshake; of ours and the peer's where they differ
	Group      string // of the key agreement
	Mode       Mode
	Algorithm  Algorithm
	Protection string // what protects data, in words
	Local      *x509.Certificate
	Peer       *x509.Certificate
	Began      time.Time
	Ends       time.Time     // when it will be over whatever happens
	KeyLife    time.Duration // of the keys of a direction, as this end has it
	Rekeys     int           // how often the keys were changed
}

// Info describes the association.
func (c *Channel) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	signature := c.sigAlgName
	if _, peers, _ := sigAlgOf(c.peer.proof.Leaf().PublicKey); peers != signature {
		signature += " and " + peers
	}
	return Info{
		AssoID: c.assoID, Signature: signature, Group: c.group.String(),
		Mode: c.Mode, Algorithm: c.suite.alg, Protection: c.suite.String(),
		Local: c.Identity.Chain[0], Peer: c.peer.proof.Leaf(),
		Began: c.began, Ends: c.ends, KeyLife: c.KeyLife, Rekeys: c.rekey.changes,
	}
}
