package xmpp

import (
	"crypto/tls"
	"net"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// Trace holds optional hooks that are told of each step of setting up a stream,
// of what passes over it, and of its end. They run on whichever goroutine does the
// step: they must not block, nor call back into what calls them. They are shown no
// keys, and nothing of what SASL exchanges.
type Trace struct {
	Connecting    func(address string) // of a client, before its TCP connection
	Connected     func(local, remote net.Addr)
	Opened        func(from, id string)                      // the peer's stream header
	Features      func(names []string)                       // what the server announces
	Mechanisms    func(names []string)                       // of SASL, that are among them
	Secured       func(info Info)                            // TLS is up; info.Peer is nil where the peer showed no valid certificate
	Insecure      func(state tls.ConnectionState, err error) // the TLS handshake of a client has failed; state is as far as it came
	Authenticated func(account jid.JID, info Info)
	Bound         func(full jid.JID)
	Failed        func(err *NegotiationError)   // a client's stream could not be set up
	Lost          func(err error)               // its connection has ended; the stream waits to be taken up over another
	Resumed       func(full jid.JID, again int) // it was, and so many stanzas are sent again
	Ended         func(err error)               // the stream that was set up has ended

	// Sent and Received are shown the stanzas of a Session: one that is about to be
	// queued, as it will stand there, and one that has come, with its octets on the
	// stream. Octets counts what passes over the TCP connection, of a client.
	Sent     func(st stanza.Stanza)
	Received func(st stanza.Stanza, octets int)
	Octets   func(sent bool, n int)
}

// traceOf returns t with every hook set but those that are called all the time.
func traceOf(t *Trace) Trace {
	var all Trace
	if t != nil {
		all = *t
	}
	if all.Connecting == nil {
		all.Connecting = func(string) {}
	}
	if all.Connected == nil {
		all.Connected = func(net.Addr, net.Addr) {}
	}
	if all.Opened == nil {
		all.Opened = func(string, string) {}
	}
	if all.Features == nil {
		all.Features = func([]string) {}
	}
	if all.Mechanisms == nil {
		all.Mechanisms = func([]string) {}
	}
	if all.Secured == nil {
		all.Secured = func(Info) {}
	}
	if all.Insecure == nil {
		all.Insecure = func(tls.ConnectionState, error) {}
	}
	if all.Authenticated == nil {
		all.Authenticated = func(jid.JID, Info) {}
	}
	if all.Bound == nil {
		all.Bound = func(jid.JID) {}
	}
	if all.Failed == nil {
		all.Failed = func(*NegotiationError) {}
	}
	if all.Lost == nil {
		all.Lost = func(error) {}
	}
	if all.Resumed == nil {
		all.Resumed = func(jid.JID, int) {}
	}
	if all.Ended == nil {
		all.Ended = func(error) {}
	}
	return all
}

// counted returns nc, or where somebody wants to know of its octets, nc with a
// count of them.
func (t *Trace) counted(nc net.Conn) net.Conn {
	if t.Octets == nil {
		return nc
	}
	return &countedConn{nc, t.Octets}
}

type countedConn struct {
	net.Conn
	count func(sent bool, n int)
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.count(false, n)
	}
	return n, err
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if n > 0 {
		c.count(true, n)
	}
	return n, err
}

// CloseWrite ends our side of the connection where it has two.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
