package xmppd_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"busbar.example/xmpp/xmppd"
)

// BenchmarkRoute sends messages from one client to another through the server, over TCP and TLS on loopback, as many as
// fit. The clients copy octets without looking at them, so that the time is the server's and the system's: decryption,
// scanning, routing, encryption.
func BenchmarkRoute(b *testing.B) {
	for _, run := range []struct {
		name        string
		size, rules int
	}{{"600", 600, 0}, {"600-rules", 600, 1000}, {"8000", 8000, 0}} {
		size := run.size
		var rules []xmppd.Rule
		for i := range run.rules {
			rules = append(rules, ruleList(b, fmt.Sprintf("deny pv%d@dso.example *@dso.example", i+1000))...)
		}
		b.Run(run.name, func(b *testing.B) {
			s := newCA(b)
			server, err := xmppd.New(xmppd.Config{Domain: domain, Trust: s.trust(), Live: xmppd.Live{
				Identity: s.serverIdentity(), Rules: rules, Limits: xmppd.Limits{Rate: -1}}}) // by default an account sends at most 32 MiB a second
			if err != nil {
				b.Fatal(err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- server.Serve(context.Background(), l) }()
			defer func() {
				server.Close()
				<-served
			}()
			from, to := s.login(b, l, "hmi"), s.login(b, l, "pv1")
			route(b, from, to, payload(size))
		})
	}
}

// payload returns XML of about size octets that looks like a report.
func payload(size int) string {
	const item = "<Data><structure><Data><floating-point>42C80000</floating-point></Data><Data><bit-string>0000000000000</bit-string></Data></structure></Data>"
	return "<r xmlns='urn:r'>" + strings.Repeat(item, size/len(item)+1)[:size/len(item)*len(item)] + "</r>"
}

func (s *site) login(b *testing.B, l net.Listener, local string) *tls.Conn {
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	c, _, err := s.open(nc, s.clientIdentity(local+"@"+domain))
	if err == nil {
		_, err = c.login("", "IEC")
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	return c.conn.(*tls.Conn)
}

// window is how many octets may be under way, so that the receiver's queue never fills.
const window = 48 << 10

// route sends b.N messages and waits until they have arrived, by their octets.
func route(b *testing.B, from, to *tls.Conn, payload string) {
	message := []byte("<message to='pv1@dso.example/IEC'>" + payload + "</message>")
	arriving := len("<message from='hmi@dso.example/IEC' to='pv1@dso.example/IEC'>" + payload + "</message>")
	room := make(chan struct{}, max(1, window/arriving))
	fail := make(chan error, 1)
	go func() {
		for range b.N {
			room <- struct{}{}
			if _, err := from.Write(message); err != nil {
				fail <- err
				return
			}
		}
		fail <- nil
	}()
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	b.ResetTimer()
	buf := make([]byte, 64<<10)
	for got, whole := 0, 0; whole < b.N; {
		n, err := to.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		for got += n; whole < got/arriving; whole++ {
			<-room
		}
	}
	b.StopTimer()
	if err := <-fail; err != nil {
		b.Fatal(err)
	}
}
