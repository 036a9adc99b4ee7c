package e2e

import (
	"crypto/aes"
	"time"

	"busbar.example/secure/audit"
)

// Kind says what was received on a channel.
type Kind uint8

// The kinds of what is received. All but KindData and KindReleaseReq have ended the association.
const (
	KindData       Kind = iota + 1 // a PDU of the protected protocol
	KindApplAbort                  // the peer's application has aborted
	KindSecAbort                   // the peer's security has aborted
	KindReleaseReq                 // the peer asks to release, which ReleaseResponse answers
	KindReleaseRsp                 // the peer has agreed to release
)

var kindNames = [...]string{KindData: "data", KindApplAbort: "ApplAbort", KindSecAbort: "security abort",
	KindReleaseReq: "ReleaseReq", KindReleaseRsp: "ReleaseRsp"}

// String names the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) && k != 0 {
		return kindNames[k]
	}
	return "unknown"
}

// Received is a SecPDU that passed every check.
type Received struct {
	Kind       Kind
	ApplData   []byte    // of KindData, and of KindApplAbort where it has any; owned by the caller
	Time       time.Time // when the peer sealed or signed it, by the peer's clock
	Diagnostic string    // of KindSecAbort
}

// Open reads a SecPDU that came from the full JID from, in an association context with that
// association id. What fails a check is a *Refusal; it ends the association, unless it only came
// from another address. Its SecPDU, if any, is a DtSecAbort to send in a message. Nothing of a
// refused PDU is ever returned.
//
// The error unwraps to net.ErrClosed when the association had ended before.
//
// IEC 62351-4, 14.4.
func (c *Channel) Open(now time.Time, from, assoID string, secPDU []byte) (Received, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(now); err != nil {
		return Received{}, err
	}
	if from != c.peer.address {
		f := alarm(audit.E2EAddress, "a PDU for %q comes from %q", c.peer.address, from)
		c.recordFault(now, from, f)
		return Received{}, f.refusal(nil)
	}
	got, f := c.open(now, assoID, secPDU)
	if f == nil {
		return got, nil
	}
	c.recordFault(now, from, f)
	octets, err := c.secAbort(now, dtDiag(f))
	if err != nil {
		octets = nil
	}
	c.becomeEnded(now, f.text)
	return Received{}, f.refusal(octets)
}

func (c *Channel) open(now time.Time, assoID string, secPDU []byte) (Received, *fault) {
	if assoID != c.assoID {
		return Received{}, alarm(audit.E2EAssociationID, "the association id in the context is %q, not %q", assoID, c.assoID)
	}
	if x, ok := c.readTransfer(secPDU); ok {
		return c.openTransfer(now, &x)
	}
	r, err := receive(c.canonical[:0], secPDU, maxTransferSize)
	if err != nil {
		return Received{}, tell(DtProtocolError, audit.E2ECanonical, "what came is not a SecPDU").because(err)
	}
	c.canonical = r.canonical
	if x, ok := r.transfer(); ok {
		return c.openTransfer(now, &x)
	}
	if t := r.signedToken(); t != nil {
		return c.openSigned(now, &r, t)
	}
	return Received{}, tell(DtProtocolError, audit.E2ECanonical, "%T is out of place", r.pdu)
}

// openTransfer opens data. The ICV is verified first: what the token says counts only then.
func (c *Channel) openTransfer(now time.Time, x *transfer) (Received, *fault) {
	if f := c.checkForm(x); f != nil {
		return Received{}, f
	}
	key := c.rekey.keyFor(c.recv, x)
	data, f := key.open(x)
	if f != nil {
		if c.send.reflects(x) {
			f = alarm(audit.E2EReflection, "our own PDU came back")
		}
		return Received{}, f
	}
	at, f := c.checkTransfer(now, key, x)
	if f == nil && key != c.recv {
		c.recv = key
		c.rekey.becomeSettled(now)
	}
	if f == nil {
		f = c.rekey.opened(c, now, x)
	}
	if f != nil {
		clear(data)
		return Received{}, f
	}
	c.confirm(now)
	return Received{Kind: KindData, ApplData: data, Time: at}, nil
}

// checkForm checks that a data PDU has what the agreed algorithm needs, and nothing else.
func (c *Channel) checkForm(x *transfer) *fault {
	form, t, ids := c.suite.form(), x.token, x.events()
	switch {
	case x.mode == Clear && c.Mode == Encrypted:
		return tell(DtEncryptionRequired, audit.E2EDowngrade, "data came in clear")
	case x.mode == Encrypted && c.Mode == Clear:
		return tell(EncryptionNotSelected, audit.E2EDowngrade, "data came encrypted")
	case t.AssoID != c.assoID:
		return alarm(audit.E2EAssociationID, "the association id in the token is %q, not %q", t.AssoID, c.assoID)
	case c.state == channelReleased:
		return tell(DtProtocolError, audit.E2ESequence, "data came after ReleaseReq")
	case form == formAEAD && x.auth != nil:
		return alarm(ids.algorithm, "an authenticator came beside authenticated encryption")
	case form == formAEAD && len(t.IV) != nonceSize:
		return tell(GmacNonceRequired, ids.algorithm, "the nonce has %d octets", len(t.IV))
	case form == formAEAD:
		return nil
	case x.auth == nil:
		return alarm(ids.algorithm, "there is no authenticator")
	case !x.auth.Algorithm.same(c.icvAlg):
		return alarm(ids.algorithm, "the ICV algorithm %s is not the agreed one", x.auth.Algorithm.Algorithm)
	case form == formGMAC && len(x.auth.Nonce) != nonceSize:
		return tell(GmacNonceRequired, ids.algorithm, "the nonce has %d octets", len(x.auth.Nonce))
	case form != formGMAC && x.auth.Nonce != nil:
		return alarm(ids.algorithm, "there is a nonce that the algorithm has no use for")
	case form == formCBC && len(t.IV) != aes.BlockSize:
		return tell(AesInitVectorRequired, ids.algorithm, "the initialization vector has %d octets", len(t.IV))
	case form == formHMAC && t.IV != nil && len(t.IV) != nonceSize, form == formGMAC && t.IV != nil:
		return alarm(ids.algorithm, "there is an initialization vector that the algorithm has no use for")
	}
	return nil
}

// checkTransfer checks number, time and sequence number of a data PDU whose ICV is right.
func (c *Channel) checkTransfer(now time.Time, key *trafficKey, x *transfer) (time.Time, *fault) {
	if f := key.checkNumber(x); f != nil {
		return time.Time{}, f
	}
	at, f := checkTime(now, x.token.Time)
	if f == nil {
		f = c.opened.accept(at, x.token.Seq, x.events().replay)
	}
	if f != nil {
		return at, f
	}
	key.counter++
	return at, nil
}

// openSigned opens what aborts and releases.
func (c *Channel) openSigned(now time.Time, r *received, t *signedToken) (Received, *fault) {
	at, f := c.checkSigned(now, t)
	if f != nil {
		return Received{}, f
	}
	got := Received{Time: at}
	switch p := r.pdu.(type) {
	case *ApplAbort:
		got.Kind, got.ApplData = KindApplAbort, p.TBS.ApplData
		c.becomeEnded(now, "the peer's application has aborted")
	case *DtSecAbort:
		got.Kind, got.Diagnostic = KindSecAbort, DtNoReason.String()
		if p.TBS.Diag != nil {
			got.Diagnostic = p.TBS.Diag.String()
		}
		c.endedByPeer(now, got.Diagnostic)
	case *HandshakeSecAbort:
		if c.side != serverSide || c.confirmed {
			return Received{}, tell(DtProtocolError, audit.E2ECanonical, "HandshakeSecAbort is out of place")
		}
		got.Kind, got.Diagnostic = KindSecAbort, HandshakeNoReason.String()
		if p.TBS.Diag != nil {
			got.Diagnostic = p.TBS.Diag.String()
		}
		c.endedByPeer(now, got.Diagnostic)
	case *ReleaseReq:
		if c.state != channelOpen && c.state != channelReleasing {
			return Received{}, tell(DtProtocolError, audit.E2ECanonical, "ReleaseReq is out of place")
		}
		got.Kind = KindReleaseReq
		c.becomeReleased(now)
	case *ReleaseRsp:
		if c.state != channelReleasing {
			return Received{}, tell(DtProtocolError, audit.E2ECanonical, "ReleaseRsp is out of place")
		}
		got.Kind = KindReleaseRsp
		c.becomeEnded(now, "released")
	default:
		return Received{}, tell(DtProtocolError, audit.E2ECanonical, "%T is out of place", p)
	}
	return got, nil
}

func (c *Channel) endedByPeer(now time.Time, diagnostic string) {
	c.record(now, audit.E2ERejected, c.peer.address, "association "+c.assoID+": the peer's security has aborted: "+diagnostic)
	c.becomeEnded(now, "the peer's security has aborted: "+diagnostic)
}

// checkSigned checks the token of an abort or a release: it must be of this association, of the
// certificate of the handshake, and no older than what came before.
func (c *Channel) checkSigned(now time.Time, t *signedToken) (time.Time, *fault) {
	if t.assoID != c.assoID {
		return time.Time{}, alarm(audit.E2EAssociationID, "the association id in the token is %q, not %q", t.assoID, c.assoID)
	}
	at, f := t.checkForm(now)
	if f != nil {
		return at, f
	}
	if at.Before(c.opened.last) {
		return at, alarm(audit.E2EReplay, "the token is older than the one before")
	}
	if f := t.verifyAgain(c.endpoint, now, c.peer); f != nil {
		return at, f
	}
	c.opened.last = at
	return at, nil
}

// dtDiag returns the diagnostic that the peer is told, if any.
func dtDiag(f *fault) *DtDiagnostics {
	var d DtDiagnostics
	switch diag := f.diag.(type) {
	case DtDiagnostics:
		d = diag
	case HandshakeDiagnostics:
		switch diag {
		case HandshakeProtocolError:
			d = DtProtocolError
		case HandshakeUnexpectedVersion:
			d = DtUnexpectedVersion
		default:
			return nil
		}
	default:
		return nil
	}
	return &d
}

// Abort ends the association in the name of the application and returns the ApplAbort to send in a
// message. applData is one XML element with its own namespace, or nil.
//
// IEC 62351-4, 13.1.9.
func (c *Channel) Abort(now time.Time, applData []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(now); err != nil {
		return nil, err
	}
	p := &ApplAbort{}
	if applData != nil {
		data, err := canonicalApplData(applData)
		if err != nil {
			return nil, err
		}
		p.TBS.ApplData = data
	}
	p.TBS.Token3 = c.nextToken3(now)
	octets, _, err := c.encodeSigned(p)
	c.becomeEnded(now, "our application has aborted")
	return octets, err
}

// SecAbort ends the association because of something that only its carrier can see, and returns the
// DtSecAbort to send in a message. DtNoReason tells the peer nothing.
//
// IEC 62351-4, 13.1.8.
func (c *Channel) SecAbort(now time.Time, diag DtDiagnostics) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(now); err != nil {
		return nil, err
	}
	told := &diag
	if diag == DtNoReason {
		told = nil
	}
	octets, err := c.secAbort(now, told)
	c.becomeEnded(now, "our security has aborted")
	return octets, err
}

func (c *Channel) secAbort(now time.Time, diag *DtDiagnostics) ([]byte, error) {
	octets, _, err := c.encodeSigned(&DtSecAbort{TBS: DtSecAbortTBS{Token3: c.nextToken3(now), Diag: diag}})
	return octets, err
}

// ReleaseRequest returns the ReleaseReq to send once conclude has been answered. Nothing can be
// sealed after it; data of the peer that crosses it is still opened. After ten seconds without an
// answer the association ends.
//
// IEC 62351-4, 13.1.10.
func (c *Channel) ReleaseRequest(now time.Time) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(now); err != nil {
		return nil, err
	}
	if c.state != channelOpen {
		return nil, errEnded
	}
	octets, _, err := c.encodeSigned(&ReleaseReq{TBS: ReleaseTBS{Token3: c.nextToken3(now)}})
	if err == nil {
		c.becomeReleasing(now)
	}
	return octets, err
}

// ReleaseResponse ends the association, whose release the peer has asked for, and returns the
// ReleaseRsp to answer with.
//
// IEC 62351-4, 13.1.11.
func (c *Channel) ReleaseResponse(now time.Time) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(now); err != nil {
		return nil, err
	}
	if c.state != channelReleased {
		return nil, errEnded
	}
	octets, _, err := c.encodeSigned(&ReleaseRsp{TBS: ReleaseTBS{Token3: c.nextToken3(now)}})
	c.becomeEnded(now, "released")
	return octets, err
}

// nextToken3 makes a token that is no older than our last.
func (c *Channel) nextToken3(now time.Time) ClearToken3 {
	c.sent.last = c.sent.stamp(now)
	return c.endpoint.token3(c.sent.last, c.assoID)
}
