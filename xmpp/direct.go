package xmpp

import (
	"io"
	"net"
)

// The protocols of streams that begin with TLS.
//
// XEP-0368, Section 2.
const (
	alpnClient = "xmpp-client"
	alpnServer = "xmpp-server"
)

// tlsRecord is the first octet of a TLS handshake. No stream header begins so.
//
// RFC 8446, Section 5.1.
const tlsRecord = 0x16

// sniff waits for the first octet, by which the peer says whether it begins with TLS or
// with a stream. So both are served at the same port.
//
// XEP-0368.
func (s *shell) sniff() error {
	p := &sniffed{Conn: s.nc}
	if _, err := io.ReadFull(s.nc, p.first[:]); err != nil {
		return err
	}
	p.held = true
	s.nc, s.stream = p, p
	s.m.direct = p.first[0] == tlsRecord
	return nil
}

// sniffed is a connection of which one octet was read.
type sniffed struct {
	net.Conn
	first [1]byte
	held  bool
}

func (c *sniffed) Read(b []byte) (int, error) {
	if !c.held || len(b) == 0 {
		return c.Conn.Read(b)
	}
	c.held = false
	return copy(b, c.first[:]), nil
}

// CloseWrite ends our side of the connection where it has two.
func (c *sniffed) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
