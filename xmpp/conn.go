package xmpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

const (
	closeTimeout = 2 * time.Second // to send what is queued, and the end of the stream
	lingerTime   = time.Second     // for the peer to read that, and to end its side
	lingerOctets = 1 << 20         // that are read meanwhile and thrown away
)

// errEnded stands inside this package for whatever has ended the connection.
var errEnded = errors.New("xmpp: ended")

// Conn is a stream that TLS, SASL and, of a client, resource binding have set up. It
// dies once.
//
// One goroutine of its own writes. Next, Inner and Scanner are for one reading
// goroutine, which belongs to the user; everything else is for any goroutine.
type Conn struct {
	settings
	content   string // namespace of the stanzas
	initiator bool
	nc        net.Conn
	stream    net.Conn // nc, or the TLS connection over it
	sc        *xmltok.Scanner
	token     xmltok.Token // that the reading goroutine is at
	w         *writer
	info      Info
	login     sasl.Login        // of a client, who may be asked again whether it stands
	live      bool              // set up: silence is watched
	pass      func(error) error // gets over a stanza that the scanner refuses, or says why not; may be nil
	alive     keepAlive         // of the reading goroutine
	ping      func()            // sends one
	pace      func(octets int)  // holds the reading goroutine up; may be nil

	// Of the reading goroutine, for stream management.
	managed *management   // nil where what comes is not counted
	offered *management   // that the server was asked for and has not answered
	resume  time.Duration // that is asked for
	again   int           // stanzas that this connection began with sending again
	keeper  Resumption    // of a server; nil where no stream is taken up again
	within  bool          // a stanza has begun, and not been read to its end
	whole   bool          // one was read to its end, and is being handled

	mu       sync.Mutex
	id       jid.JID
	cause    error         // why the connection ends, once it does
	ending   chan struct{} // closed with it
	survived bool          // the stream has not ended with it
	done     chan struct{} // closed when it has ended
}

// newConn returns a connection that is not set up yet. It owns nc.
func newConn(nc net.Conn, s settings) *Conn {
	c := &Conn{settings: s, content: stanza.Namespace, nc: nc, stream: nc, ending: make(chan struct{}), done: make(chan struct{})}
	c.sc = xmltok.NewScanner((*source)(c), s.limits.scanner(s.limits.Unauthenticated))
	return c
}

// JID returns the bound address. Within ServerConfig.Bind it is the account. Of a
// stream between servers it is the other domain.
func (c *Conn) JID() jid.JID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

func (c *Conn) setJID(id jid.JID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = id
}

// Info describes the stream.
func (c *Conn) Info() Info { return c.info }

// RemoteAddr returns where the peer has connected from.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Queued returns how many octets wait to be sent.
func (c *Conn) Queued() int { return c.w.queued() }

// Login returns how a client has logged in. It is for [sasl.Passwords.Stands].
func (c *Conn) Login() sasl.Login { return c.login }

// Scanner returns the scanner of the stream, for the raw octets of a start tag.
func (c *Conn) Scanner() *xmltok.Scanner { return c.sc }

// Next returns the start tag of the next stanza: an iq, message or presence in the
// stream's content namespace. The token is valid until the next call of Next or Inner. What
// was left of the stanza before it is skipped. An error is Err, and what the
// peer has to hear of it is on its way.
//
// The call says that the stanza before has been handled: it may be acknowledged.
func (c *Conn) Next() (*xmltok.Token, error) {
	if c.whole {
		c.handled()
	}
	for {
		if err := c.Err(); err != nil {
			return nil, err
		}
		err := c.sc.NextInto(&c.token)
		if err == nil && c.within && c.token.Kind == xmltok.End && c.sc.Depth() == 1 {
			c.handled()
			continue
		}
		if stanza, err := c.begins(err); err != nil {
			return nil, c.stop(err)
		} else if stanza {
			return &c.token, nil
		}
	}
}

// begins reports whether a stanza begins with the token that was read, or with which
// error it could not be, and takes what stands between stanzas.
func (c *Conn) begins(err error) (stanza bool, _ error) {
	if err != nil && c.pass != nil {
		if err = c.pass(err); err == nil {
			c.handled()
			return false, nil
		}
	}
	if err != nil {
		return false, readError(err)
	}
	switch t := &c.token; {
	case c.sc.Depth() == 0:
		return false, ErrPeerClosed
	case t.Kind == xmltok.Start && c.sc.Depth() == 2:
		if t.Name.Space == c.content && isStanza(t.Name.Local) {
			c.within = true
			return true, nil
		}
		return false, c.foreign(t)
	case t.Kind == xmltok.Text && c.sc.Depth() == 1 && !blank(t.Data):
		return false, &StreamError{Condition: BadFormat, Text: "text between stanzas"}
	}
	return false, nil
}

// Await waits until there is something for Next, as far as it can tell, or reports, once
// in each silence, that nothing has come for a second. Who has many connections may go
// on then from another goroutine, whose stack has not grown. It says no less than Next
// that the stanza before has been handled.
func (c *Conn) Await() (idle bool) {
	if c.whole {
		c.handled()
	}
	return c.sc.Await() != nil
}

// handled counts a stanza as one that the peer need not send again.
func (c *Conn) handled() {
	c.within, c.whole = false, false
	if c.managed != nil {
		c.managed.handled.Add(1)
	}
}

// foreign takes an element that is no stanza. It returns the error that it is: what
// it says, if the peer ends the stream with it.
func (c *Conn) foreign(t *xmltok.Token) error {
	if t.Name.Space == nsManagement && c.content == stanza.Namespace {
		return c.manage(t)
	}
	if t.Name == (xmltok.Name{Space: nsStream, Local: "error"}) {
		el, err := readElement(c.sc, t)
		if err != nil {
			return err
		}
		return parseStreamError(el)
	}
	if isStanza(t.Name.Local) {
		return &StreamError{Condition: InvalidNamespace}
	}
	c.record(trespass(t.Name), "received "+t.Name.Local, nil)
	return &StreamError{Condition: UnsupportedStanzaType}
}

// trespass returns the security event that an element is which asks for what is
// not offered here but would be worth an attack, or "": speaking for a domain on
// its own word, and taking over another's stream where that has no place.
//
// XEP-0220; XEP-0198, Section 5.
func trespass(name xmltok.Name) audit.ID {
	switch {
	case name.Space == nsDialback:
		return audit.ServerToServerRefused
	case name == xmltok.Name{Space: nsManagement, Local: "resume"}:
		return audit.ResumptionRefused
	}
	return ""
}

func isStanza(local string) bool { return local == "iq" || local == "message" || local == "presence" }

// Inner returns the payload of the stanza whose start tag Next has returned. It
// is valid until the next call of Next. An error is Err, as in Next.
func (c *Conn) Inner() (xmltok.Raw, error) {
	raw, err := c.sc.Inner()
	if err != nil {
		return xmltok.Raw{}, c.stop(readError(err))
	}
	c.whole = true
	return raw, nil
}

// readError tells what is wrong with the peer's XML from what is wrong with the
// connection.
func readError(err error) error {
	var syn *xmltok.SyntaxError
	if errors.As(err, &syn) && syn.Err == nil || err == ErrLost {
		return err
	}
	return broken(err)
}

// stop ends the connection because reading has failed.
func (c *Conn) stop(err error) error {
	c.mu.Lock()
	over := c.cause != nil
	c.mu.Unlock()
	if !over {
		c.record(eventFor(err), "", err)
	}
	c.End(err)
	return c.Err()
}

// Push queues one stanza, the concatenation of parts, and never waits: without
// room it returns ErrQueueFull. It copies parts. After the end it returns Err.
func (c *Conn) Push(parts ...[]byte) error {
	if err := c.fits(parts); err != nil {
		return err
	}
	return c.translate(c.w.push(parts))
}

// PushShare is Push for a stanza of one of several senders, each of which may have
// at most limit octets waiting, or one stanza of any size. Without room in the
// share it returns ErrShareFull. Calls with the same Share may come from several
// goroutines.
func (c *Conn) PushShare(share *Share, limit int, parts ...[]byte) error {
	if err := c.fits(parts); err != nil {
		return err
	}
	return c.translate(c.w.pushShare(share, limit, parts))
}

// Send is Push that waits for room until ctx ends. Calls that wait are served in
// their order.
func (c *Conn) Send(ctx context.Context, parts ...[]byte) error {
	if err := c.fits(parts); err != nil {
		return err
	}
	return c.translate(c.w.send(ctx, parts))
}

// fits holds a stanza against the limit that the peer has announced.
func (c *Conn) fits(parts [][]byte) error {
	if n := size(parts); c.info.MaxStanza > 0 && n > c.info.MaxStanza {
		return fmt.Errorf("%w: %d octets of %d", ErrTooLarge, n, c.info.MaxStanza)
	}
	return nil
}

func (c *Conn) translate(err error) error {
	if err == errEnded {
		return c.Err()
	}
	return err
}

// End ends the connection because of cause; nil is a regular end. The first call
// decides; it does not wait. What is queued is sent, then the stream error that
// tells the peer of the cause, if it has to hear of it, then the end of the
// stream; all that within 2 seconds.
func (c *Conn) End(cause error) {
	if cause == nil {
		cause = ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = ended(cause)
	close(c.ending)
	deadline := time.Now().Add(closeTimeout)
	if errors.Is(c.cause, ErrLost) {
		deadline = time.Now()
	}
	var last []byte
	if se := streamErrorFor(cause); se != nil {
		last = se.append(last)
	}
	last = append(last, closeTag...)
	switch survives(cause) {
	case brokenOff:
		c.survived = c.w.detach(nil, time.Now())
	case takenLeave:
		c.survived = c.w.detach(last, deadline)
	}
	if !c.survived {
		c.w.finish(last, deadline)
	}
}

// ended makes sure that a cause unwraps to net.ErrClosed.
func ended(cause error) error {
	if errors.Is(cause, net.ErrClosed) {
		return cause
	}
	return fmt.Errorf("xmpp: the stream ended: %w", errors.Join(cause, net.ErrClosed))
}

// broken returns the cause that an error of the network is.
func broken(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return ErrBroken
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrStalled
	}
	return fmt.Errorf("%w: %v", ErrBroken, err)
}

// Err returns nil while the connection lives, and then why it ends: ErrClosed,
// ErrPeerClosed, ErrLost, ErrStalled, ErrBroken, a *StreamError, or another error. All of
// them unwrap to net.ErrClosed.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Ending returns a channel that is closed once Err is not nil any more.
func (c *Conn) Ending() <-chan struct{} { return c.ending }

// Close ends the connection in the regular way and waits until it has ended.
func (c *Conn) Close() error {
	c.End(nil)
	<-c.done
	return nil
}

// run writes until the end, and then closes the connection. While there is nothing to
// write for long it does not run.
func (c *Conn) run() {
	over, err := c.w.run(c.run)
	if !over {
		return
	}
	if err != nil {
		c.End(broken(err))
	}
	if err == nil && !c.peerEnded() {
		c.linger()
	}
	c.nc.Close()
	if c.lives() {
		c.trace.Lost(c.Err())
		c.record(audit.StreamLost, "", c.Err())
	} else {
		c.trace.Ended(c.Err())
	}
	close(c.done)
}

// lives reports whether the connection has ended, and its stream not with it.
func (c *Conn) lives() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.survived
}

// peerEnded reports whether the peer has ended the stream, or is gone.
func (c *Conn) peerEnded() bool {
	var se *StreamError
	err := c.Err()
	return errors.Is(err, ErrPeerClosed) || errors.Is(err, ErrLost) || errors.Is(err, ErrStalled) || errors.Is(err, ErrBroken) || errors.As(err, &se) && se.Remote
}

// linger ends our side of the connection and gives the peer a moment to read
// what was sent and to end its side: closing at once could take that back.
func (c *Conn) linger() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		if t, ok := c.stream.(*tls.Conn); ok {
			t.CloseWrite() // an error shows in the read below
		}
		half.CloseWrite()
	}
	c.mu.Lock() // the reading goroutine sets deadlines too
	c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	c.mu.Unlock()
	io.CopyN(io.Discard, c.nc, lingerOctets)
}

// setUp turns the connection from negotiation to use. run must be started.
func (c *Conn) setUp() {
	c.sc.SetLimits(c.limits.scanner(c.limits.Authenticated))
	c.live, c.alive = true, newKeepAlive(c.keepAlive, time.Now())
	c.nc.SetDeadline(time.Time{})
	c.alive.quiet = c.info.MaxSilence / 2
	c.nc.SetReadDeadline(c.alive.nextSince(time.Now()))
}

// record reports a security event about the peer.
func (c *Conn) record(id audit.ID, text string, err error) {
	if id == "" {
		return
	}
	if err != nil {
		text = err.Error()
	}
	e := audit.Event{ID: id, Time: time.Now(), Peer: c.nc.RemoteAddr().String(), Text: text}
	if id := c.JID(); !id.IsZero() {
		e.Subject = id.Bare().String()
	}
	c.audit.Record(e)
}

// eventFor returns the security event that an error of the peer's XML is.
func eventFor(err error) audit.ID {
	var syn *xmltok.SyntaxError
	if !errors.As(err, &syn) || syn.Err != nil {
		return ""
	}
	switch syn.Kind {
	case xmltok.Restricted:
		return audit.RestrictedXML
	case xmltok.Limit:
		return audit.StreamLimit
	case xmltok.Encoding:
		return audit.StreamEncoding
	case xmltok.NotWellFormed:
		return audit.StreamMalformed
	}
	return ""
}
