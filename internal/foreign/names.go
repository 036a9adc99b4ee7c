package foreign

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// Names is a name server on loopback that says where the servers of domains listen for each other: an SRV record of
// _xmpp-server._tcp for each, with localhost as its target, for some servers resolve the target by other means. It answers
// over UDP and TCP; what it does not know does not exist.
type Names struct {
	udp     net.PacketConn
	tcp     net.Listener
	serving sync.WaitGroup

	mu    sync.Mutex
	ports map[string]uint16 // by domain in lower case
	open  map[net.Conn]struct{}
}

// NewNames starts a name server.
func NewNames() (*Names, error) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		udp.Close()
		return nil, err
	}
	n := &Names{udp: udp, tcp: tcp, ports: map[string]uint16{}, open: map[net.Conn]struct{}{}}
	n.serving.Go(n.serveUDP)
	n.serving.Go(n.serveTCP)
	return n, nil
}

// Address is where it listens, HOST:PORT.
func (n *Names) Address() string { return n.udp.LocalAddr().String() }

// Set says where the server of a domain listens, HOST:PORT of loopback.
func (n *Names) Set(domain, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ports[strings.ToLower(domain)] = uint16(number)
	return nil
}

// Close ends it.
func (n *Names) Close() error {
	err := errors.Join(n.udp.Close(), n.tcp.Close())
	n.mu.Lock()
	for nc := range n.open {
		nc.Close()
	}
	n.mu.Unlock()
	n.serving.Wait()
	return err
}

func (n *Names) serveUDP() {
	b := make([]byte, 4096)
	for {
		size, from, err := n.udp.ReadFrom(b)
		if err != nil {
			return
		}
		if answer, err := n.answer(b[:size]); err == nil {
			n.udp.WriteTo(answer, from) // who asked asks again
		}
	}
}

func (n *Names) serveTCP() {
	for {
		nc, err := n.tcp.Accept()
		if err != nil {
			return
		}
		n.mu.Lock()
		n.open[nc] = struct{}{}
		n.mu.Unlock()
		n.serving.Go(func() {
			n.converse(nc)
			nc.Close()
			n.mu.Lock()
			delete(n.open, nc)
			n.mu.Unlock()
		})
	}
}

// converse answers what is asked over one connection, each with its length before it.
func (n *Names) converse(nc net.Conn) {
	for {
		var length [2]byte
		if _, err := io.ReadFull(nc, length[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(nc, b); err != nil {
			return
		}
		answer, err := n.answer(b)
		if err != nil {
			return
		}
		if _, err := nc.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

const ttl = 5 // seconds

// answer answers one message.
func (n *Names) answer(b []byte) ([]byte, error) {
	var p dnsmessage.Parser
	head, err := p.Start(b)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: head.ID, Response: true, Authoritative: true, RecursionDesired: head.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	known, body := n.lookUp(strings.ToLower(strings.TrimSuffix(q.Name.String(), ".")), q.Type)
	switch {
	case !known:
		reply.RCode = dnsmessage.RCodeNameError
	case body != nil:
		reply.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: ttl}, Body: body}}
	}
	return reply.Pack()
}

// lookUp says whether a name exists, and its record of that type, nil if it has none.
func (n *Names) lookUp(name string, of dnsmessage.Type) (known bool, body dnsmessage.ResourceBody) {
	loopback := &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}
	n.mu.Lock()
	defer n.mu.Unlock()
	if domain, found := strings.CutPrefix(name, "_xmpp-server._tcp."); found {
		port, known := n.ports[domain]
		if !known || of != dnsmessage.TypeSRV {
			return known, nil
		}
		return true, &dnsmessage.SRVResource{Priority: 1, Weight: 1, Port: port, Target: dnsmessage.MustNewName("localhost.")}
	}
	if _, known = n.ports[name]; !known && name != "localhost" {
		return false, nil
	}
	if of != dnsmessage.TypeA {
		return true, nil
	}
	return true, loopback
}
