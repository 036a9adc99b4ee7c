package iso81

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

// references makes transport references, which are never zero.
var references atomic.Uint32

func reference() uint16 {
	for {
		if r := uint16(references.Add(1)); r != 0 {
			return r
		}
	}
}

// Dial connects to an IED at a host, with a port or with that of the profile, and sets up TLS and transport. The association
// itself is asked for by the first PDU that is sent, which must be an initiate request.
func Dial(ctx context.Context, address string, cfg Config) (*Association, error) {
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	host, address := hostAndPort(address, c.TLS != nil)
	until := time.Now().Add(c.Timeout)
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	dial := c.Dialer
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: -1, KeepAliveConfig: keepAlive(c.KeepAlive)}).DialContext
	}
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	a := newAssociation(conn, c)
	a.setUp = until
	a.machine.called, a.machine.calling = c.Called, c.Calling
	if c.Called.isZero() {
		a.machine.called = defaultCalled
	}
	if c.Calling.isZero() {
		a.machine.calling = defaultCalling
	}
	a.peer = rbac.Subject{Name: address, Address: address, Unauthenticated: true}
	a.traceConnected()
	if err := a.dialTransport(ctx, host); err != nil {
		a.end(err, nil)
		a.Close()
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return a, nil
}

// hostAndPort completes an address.
func hostAndPort(address string, secure bool) (host, hostPort string) {
	host, _, err := net.SplitHostPort(address)
	if err == nil {
		return host, address
	}
	port := Port
	if secure {
		port = TLSPort
	}
	host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	return host, net.JoinHostPort(host, strconv.Itoa(port))
}

// keepAlive finds a peer that is gone within twice the interval.
func keepAlive(interval time.Duration) net.KeepAliveConfig {
	if interval < 0 {
		return net.KeepAliveConfig{}
	}
	return net.KeepAliveConfig{Enable: true, Idle: interval, Interval: max(interval/4, time.Second), Count: 4}
}

// dialTransport does TLS and the transport connection as the side that asks.
func (a *Association) dialTransport(ctx context.Context, host string) error {
	if err := a.dialTLS(ctx, host); err != nil {
		return err
	}
	a.watch.over(ctx, a.setUp)
	cr := tpdu{code: codeCR, src: reference(), size: 1 << sizeCode(a.cfg.MaxTPDU), calling: a.machine.calling.TSelector, called: a.machine.called.TSelector}
	a.conn.SetWriteDeadline(a.setUp)
	if _, err := a.conn.Write(cr.append(nil)); err != nil {
		return err
	}
	cc, err := a.in.tpdu()
	switch {
	case err != nil:
		return noAnswer(ctx, err)
	case cc.code == codeDR:
		return &RefusedError{Layer: LayerCOTP, Code: int(cc.reason), Reason: cc.reason.String(), Remote: true}
	case cc.code != codeCC:
		return protocolError(LayerCOTP, "a TPDU with code %#02x in answer to CR", cc.code)
	case cc.class != 0:
		return protocolError(LayerCOTP, "class %d, which was not proposed", cc.class)
	case cc.dst != cr.src && !a.machine.anyReference:
		return protocolError(LayerCOTP, "CC for the reference %d, ours is %d", cc.dst, cr.src)
	case cc.userData && !a.machine.connectData:
		return protocolError(LayerCOTP, "CC with user data")
	case cc.size > cr.size:
		return protocolError(LayerCOTP, "a TPDU size of %d, %d was proposed", cc.size, cr.size)
	}
	agreed := cc.size
	if agreed == 0 {
		agreed = cr.size
	}
	a.useTPDU(agreed)
	a.traceTransport(TransportInfo{Proposed: cr.size, Agreed: agreed, Calling: cr.calling, Called: cr.called, Local: cr.src, Remote: cc.src})
	return nil
}

// useTPDU takes the agreed size of TPDUs into use.
func (a *Association) useTPDU(octets int) {
	a.mostData, a.in.mostTPDU = octets-dataHeader, octets
	if a.machine.longTPDU {
		a.in.mostTPDU = tpktMost
	}
}

// noAnswer is why CR was not answered: err, or what is behind it.
func noAnswer(ctx context.Context, err error) error {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout() && ctx.Err() != nil:
		return ctx.Err()
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return ended("the peer closed the connection without an answer to CR") // many IEDs do when they have clients enough
	}
	return err
}

func (a *Association) dialTLS(ctx context.Context, host string) error {
	t := a.cfg.TLS
	if t == nil {
		return nil
	}
	name := t.ServerName
	if name == "" {
		name = host
	}
	secured := tls.Client(a.tcp, pki.PeerTLS(t.Identity, t.Trust, name))
	a.use(secured)
	if err := secured.HandshakeContext(ctx); err != nil {
		a.record(idOf(err, audit.TLSRefused), err.Error())
		return fmt.Errorf("TLS: %w", err)
	}
	cs := secured.ConnectionState()
	// The handshake has verified the peer; only this yields what it can be held to later.
	verified, err := t.Trust.VerifyPeerServer(cs.PeerCertificates, name, time.Now())
	if err != nil {
		a.record(idOf(err, audit.ServerCertificate), err.Error())
		return fmt.Errorf("TLS: %w", err)
	}
	a.noteShown(verified, t.Trust)
	a.peer.Name, a.peer.Unauthenticated = pki.Name(verified.Leaf()), false
	a.traceTLS(cs)
	return nil
}

// idOf is the event that err is: that of a refused certificate, or other.
func idOf(err error, other audit.ID) audit.ID {
	var refused *pki.VerifyError
	if errors.As(err, &refused) {
		return refused.ID
	}
	return other
}

// record reports an event about the peer.
func (a *Association) record(id audit.ID, text string) {
	a.cfg.Audit.Record(audit.Event{ID: id, Time: time.Now(), Peer: a.tcp.RemoteAddr().String(), Text: text})
}

// acceptTransport does TLS and the transport connection as the side that was asked.
func (a *Association) acceptTransport(ctx context.Context) error {
	a.traceConnected()
	if err := a.acceptTLS(ctx); err != nil {
		return err
	}
	cr, err := a.in.tpdu()
	if err != nil {
		return err
	}
	why, taken := DisconnectUnspecified, false
	switch {
	case cr.code != codeCR:
		return protocolError(LayerCOTP, "a TPDU with code %#02x before CR", cr.code)
	case !cr.takesClass0():
		why = DisconnectNegotiationFailed
	case differs(a.machine.called.TSelector, cr.called):
		why = DisconnectAddressUnknown
	default:
		taken = (!cr.userData || a.machine.connectData) && (cr.dst == 0 || a.machine.anyReference)
	}
	if !taken {
		a.writeTPDU(tpdu{code: codeDR, dst: cr.src, reason: why})
		a.record(audit.PeerRefused, "COTP: "+why.String())
		return &RefusedError{Layer: LayerCOTP, Code: int(why), Reason: why.String()}
	}
	cc, agreed := cr.answerCR(a.cfg.MaxTPDU, reference())
	a.useTPDU(agreed)
	a.traceTransport(TransportInfo{Proposed: max(cr.size, cr.preferred), Agreed: agreed, Calling: cr.calling, Called: cr.called, Local: cc.src, Remote: cr.src})
	return a.writeTPDU(cc)
}

func (a *Association) writeTPDU(t tpdu) error {
	a.conn.SetWriteDeadline(a.setUp)
	_, err := a.conn.Write(t.append(nil))
	return err
}

func (a *Association) acceptTLS(ctx context.Context) error {
	t := a.cfg.TLS
	if t == nil {
		return nil
	}
	secured := tls.Server(a.tcp, pki.ServerTLS(t.Identity))
	a.use(secured)
	ctx, cancel := context.WithDeadline(ctx, a.setUp)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		a.record(audit.TLSRefused, err.Error())
		return fmt.Errorf("TLS: %w", err)
	}
	cs := secured.ConnectionState()
	verified, err := t.Trust.VerifyPeerClientTLS(cs, time.Now())
	if err != nil {
		a.record(idOf(err, audit.ClientCertificate), err.Error())
		return fmt.Errorf("TLS: %w", err)
	}
	a.verified = verified
	a.noteShown(verified, t.Trust)
	a.record(audit.TLSEstablished, tls.VersionName(cs.Version)+" "+tls.CipherSuiteName(cs.CipherSuite))
	a.traceTLS(cs)
	return nil
}
