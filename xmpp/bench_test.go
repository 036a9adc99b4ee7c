package xmpp

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// BenchmarkRequest is one request and its reply over one hop: TLS 1.3 on the
// loopback, a payload of that size each way.
func BenchmarkRequest(b *testing.B) {
	for _, size := range []int{600, 8_000, 60_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, done := benchSession(b)
			iq := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: jid.MustParse("pv1@site.example/IEC"), Payload: benchPayload(size)}
			b.SetBytes(int64(2 * size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Request(context.Background(), iq); err != nil {
					b.Fatal(err)
				}
			}
			s.Close()
			<-done
		})
	}
}

// BenchmarkSetUp is a whole stream from TCP to the roster, and its end.
func BenchmarkSetUp(b *testing.B) {
	for b.Loop() {
		s, done := benchSession(b)
		s.Close()
		<-done
	}
}

func benchSession(b *testing.B) (*Session, <-chan error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	p := newPair(b)
	p.client.Address, p.client.Dialer = l.Addr().String(), nil
	accepted := make(chan net.Conn)
	go func() {
		nc, _ := l.Accept()
		accepted <- nc
	}()
	done := make(chan error, 1)
	go func() {
		p.serverEnd = <-accepted
		done <- <-p.serve(context.Background(), echo)
	}()
	s, err := Dial(context.Background(), p.client)
	if err != nil {
		b.Fatal(err)
	}
	return s, done
}

// benchPayload is XML of about size octets that looks like an MMS PDU.
func benchPayload(size int) []byte {
	const item = "<AccessResult><success><structure><Data><floating-point>3F800000</floating-point></Data><Data><bit-string>0000000000000</bit-string></Data></structure></success></AccessResult>"
	p := []byte("<read xmlns='http://www.iec.ch/61850/2018/SCSM_8_2'>")
	p = append(p, bytes.Repeat([]byte(item), max(1, (size-len(p))/len(item)))...)
	return append(p, "</read>"...)
}
